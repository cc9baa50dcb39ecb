"""Stages with the network: a flip test, a training step, a whole test."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.benchmark.data import EPOCH, plain_batch, train_batches
from lib.benchmark.textbook import loader
from lib.benchmark.textbook import network as plain
from lib.benchmark.textbook import oks as plain_oks
from lib.benchmark.timing import Stage
from lib.datasets.topdown import PersonCrops, person_crops
from lib.engine.device import build_precision, place
from lib.engine.inference import predict
from lib.engine.optim import build_optimizer
from lib.engine.recomputing import recompute_stages
from lib.engine.step import TrainStep, build_scaler
from lib.evaluation import evaluate_coco
from lib.evaluation.coco_evaluator import coco_rows
from lib.models import fold_batch_norm
from lib.structures.geometry import xywh_to_xyxy
from lib.structures.results import Poses
from lib.tasks.splits import build_source
from lib.tasks.topdown import TopDownTask
from lib.tasks.transfer import HostCopy


def networks(task: TopDownTask, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """Return the task's network as we use it for tests, and the same one as it was built."""
    torch.manual_seed(0)
    built = task.build_model().eval()
    ours = copy.deepcopy(built)
    fold_batch_norm(ours)
    return place(ours, device), built.to(device)


def forward(task: TopDownTask, count: int, device: torch.device) -> Stage:
    """Crops to joints: normalise, both passes of the flip test, merge, decode."""
    ours, built = networks(task, device)
    crops = PersonCrops(task.people, input_size=task.codec.input_size, unbiased=False)
    item = crops[0]
    pixels, regions = np.resize(item["image"], (count, *item["image"].shape[1:])), item["crop"]
    regions = np.resize(regions, (count, 4))
    there, region = torch.from_numpy(pixels).to(device), torch.from_numpy(regions).to(device)
    rgb = task.cfg.DATASET.COLOR_RGB

    def textbook() -> Any:
        ordered = pixels[..., ::-1] if rgb else pixels
        images = torch.stack([loader.to_float(one) for one in ordered]).to(device)
        return plain.flip_test(built, images, regions, task.skeleton.flip_pairs)

    return Stage(
        torch.no_grad()(lambda: _joints(task.predict_crops(ours, there, region))),
        torch.no_grad()(textbook),
        _same_joints,
        count,
        "person",
    )


def _joints(sent: HostCopy) -> tuple[np.ndarray, np.ndarray]:
    found = sent.numpy()
    return found[..., :2], found[..., 2]


def _same_joints(found: Any, wanted: Any) -> None:
    """An untrained network has nearly equal peaks: a few may change places by rounding."""
    close = np.abs(found[0] - wanted[0]).max(axis=-1) < 0.5
    assert close.mean() > 0.97, f"only {close.mean():.3f} of the joints agree"


def train_step(task: TopDownTask, count: int, device: torch.device) -> Stage:
    """One optimiser step on a batch in memory: targets, forward, loss, backward, update."""
    torch.manual_seed(0)
    built = task.build_model().train()
    ours = place(copy.deepcopy(built), device)
    recompute_stages(task.cfg, ours)
    built = built.to(device)
    precision = build_precision(task.cfg, device)
    step = TrainStep(
        task,
        ours,
        build_optimizer(task.cfg, ours),
        device=device,
        precision=precision,
        scaler=build_scaler(task.cfg, precision),
    )
    data = task.build_train_dataset()
    rows = [row for batch in train_batches(data, count) for row in batch]
    batch = task.collate(data.batch([(EPOCH, row) for row in rows]))
    floats, optimizer = plain_batch(task, data, rows), build_optimizer(task.cfg, built)

    def check(found: Any, wanted: float) -> None:
        loss = float(found["heatmap"])
        assert abs(loss - wanted) < 1e-3 * abs(wanted), f"losses {loss} and {wanted}"

    return Stage(
        lambda: step([batch], 1),
        lambda: plain.train_step(built, optimizer, floats, device),
        check,
        count,
        "person",
    )


def end_to_end(task: TopDownTask, count: int, device: torch.device) -> Stage:
    """A test of the first ``count`` people from files to scores, with the flip test."""
    ours, built = networks(task, device)
    task.people = task.people.select(np.arange(min(count, len(task.people))))
    precision = build_precision(task.cfg, device)

    def run() -> Any:
        poses = predict(task, ours, device, precision)
        evaluator = task.build_evaluator()
        evaluator.update(poses)
        return poses.keypoints, evaluator.compute()["AP"]

    def check(found: Any, wanted: Any) -> None:
        _same_joints(found, wanted)
        assert abs(found[1] - wanted[1]) < 0.01, f"AP {found[1]} and {wanted[1]}"

    textbook = torch.no_grad()(lambda: _plain_test(task, built, device))
    return Stage(run, textbook, check, len(task.people), "person")


def _plain_test(task: TopDownTask, model: nn.Module, device: torch.device) -> tuple[Any, float]:
    """Return joints and AP the family's way; an image is decoded again for each of its people."""
    people, size, cfg = task.people, task.codec.input_size, task.cfg
    crops, joints, scores = person_crops(people, size), [], []
    for begin in range(0, len(people), cfg.TEST.BATCH_SIZE_PER_GPU):
        rows = range(begin, min(begin + cfg.TEST.BATCH_SIZE_PER_GPU, len(people)))
        images = torch.stack(
            [
                loader.to_float(
                    loader.cut(
                        loader.read(people.image_path(row)),
                        crops[row],
                        0,
                        size,
                        cfg.DATASET.COLOR_RGB,
                    )[0]
                )
                for row in rows
            ]
        )
        found = plain.flip_test(
            model, images.to(device), crops[rows.start : rows.stop], task.skeleton.flip_pairs
        )
        joints.append(found[0])
        scores.append(found[1])
    poses = Poses(
        image_ids=people.images.ids[people.image_index],
        keypoints=np.concatenate(joints).astype(np.float32),
        keypoint_scores=np.concatenate(scores),
        scores=people.scores,
        boxes=xywh_to_xyxy(people.boxes),
        indices=np.arange(len(people)),
        crops=crops,
    )
    return poses.keypoints, _plain_score(task, poses)


def _plain_score(task: TopDownTask, poses: Poses) -> float:
    """Rescore person by person, suppress pair by pair, score with pycocotools."""
    cfg, skeleton = task.cfg, task.skeleton
    scores = plain_oks.rescore(poses.keypoint_scores, poses.scores, cfg.TEST.IN_VIS_THRE)
    kept = plain_oks.nms_by_image(
        poses.image_ids,
        poses.keypoints,
        scores,
        poses.crops[:, 2:].prod(axis=1),
        np.asarray(skeleton.sigmas),
        cfg.TEST.OKS_THRE,
    )
    rows = coco_rows(poses.select(kept), scores[kept], 1, "crop")
    truth = build_source(cfg, train=False).annotation
    return evaluate_coco(truth, rows, skeleton.sigmas, evaluator="pycocotools")["AP"]
