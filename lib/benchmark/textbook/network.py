"""Around the network as the family does it: two passes for a flip test, NumPy after each step."""

import numpy as np
import torch

from lib.benchmark.textbook.heatmaps import flip_back, lineage_decode, peaks


def flip_test(model, images, crops, pairs):
    """Joints (N, K, 2) in image pixels, and scores; mirrored images in a second pass."""
    direct = model(images)
    mirrored = torch.from_numpy(images.cpu().numpy()[..., ::-1].copy()).to(images.device)
    back = torch.from_numpy(flip_back(model(mirrored).cpu().numpy(), pairs)).to(images.device)
    back[..., 1:] = back.clone()[..., :-1]
    heatmaps = ((direct + back) * 0.5).cpu().numpy()
    return lineage_decode(heatmaps, crops)


def joints_loss(heatmaps, targets, weights):
    """Half the weighted squared error, joint by joint."""
    batch, joints = heatmaps.shape[:2]
    total = torch.zeros((), device=heatmaps.device)
    for k in range(joints):
        found, wanted = heatmaps[:, k].reshape(batch, -1), targets[:, k].reshape(batch, -1)
        weight = weights[:, k].view(batch, 1)
        total = total + 0.5 * torch.mean((found * weight - wanted * weight) ** 2)
    return total / joints


def close_peaks(heatmaps, targets):
    """Share of peaks within half of a tenth of the map, in NumPy, joint by joint."""
    found, wanted = peaks(heatmaps)[0], peaks(targets)[0]
    norm = np.array(heatmaps.shape[2:]) / 10
    hits = [
        np.linalg.norm((found[n, k] - wanted[n, k]) / norm) < 0.5
        for n in range(len(found))
        for k in range(found.shape[1])
        if wanted[n, k, 0] > 1 and wanted[n, k, 1] > 1
    ]
    return float(np.mean(hits)) if hits else 0.0


def train_step(model, optimizer, batch, device):
    """One step; loss and accuracy are fetched every time."""
    images, targets = batch["image"].to(device), batch["target"].to(device)
    heatmaps = model(images)
    loss = joints_loss(heatmaps, targets, batch["weight"].to(device))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    close_peaks(heatmaps.detach().cpu().numpy(), targets.cpu().numpy())
    return loss.item()
