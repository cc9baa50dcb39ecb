"""Targets and decoders joint by joint, in NumPy; the oracles of lib/codecs."""

import cv2
import numpy as np

from lib.benchmark.textbook.affine import crop_affine, map_points


def draw_targets(joints, visible, size, sigma):
    """Maps (K, H, W) and weights (K,) of one person; ``joints`` (K, 2) are in cells."""
    width, height = size
    maps = np.zeros((len(joints), height, width), np.float32)
    weights = np.array(visible, np.float32)
    reach = 3 * sigma
    side = np.arange(2 * reach + 1, dtype=np.float32)
    stamp = np.exp(-((side - reach) ** 2 + (side[:, None] - reach) ** 2) / (2 * sigma**2))
    for k, (x, y) in enumerate(joints):
        column, row = int(x + 0.5), int(y + 0.5)
        left, top, right, bottom = column - reach, row - reach, column + reach + 1, row + reach + 1
        if left >= width or top >= height or right < 0 or bottom < 0:
            weights[k] = 0
        elif weights[k] > 0.5:
            part = stamp[max(0, -top) : min(bottom, height) - top]
            part = part[:, max(0, -left) : min(right, width) - left]
            maps[k, max(0, top) : bottom, max(0, left) : right] = part
    return maps, weights


def peaks(heatmaps):
    """Cells (N, K, 2) and values (N, K) of the maxima."""
    n, k, _, width = heatmaps.shape
    flat = heatmaps.reshape(n, k, -1)
    index, values = flat.argmax(2), flat.max(2)
    cells = np.stack([index % width, index // width], axis=2).astype(np.float32)
    return cells * (values > 0)[..., None], values


def quarter(heatmaps, cells):
    """Quarter steps, one joint after the other."""
    n, k, height, width = heatmaps.shape
    moved = cells.copy()
    for i in range(n):
        for j in range(k):
            x, y = (int(np.floor(value + 0.5)) for value in cells[i, j])
            if 1 < x < width - 1 and 1 < y < height - 1:
                m = heatmaps[i, j]
                slope = np.array([m[y, x + 1] - m[y, x - 1], m[y + 1, x] - m[y - 1, x]])
                moved[i, j] += np.sign(slope) * 0.25
    return moved


def to_image(cells, crops, size):
    """Map cells person by person with the inverse affine of its crop."""
    return np.stack(
        [
            map_points(points, crop_affine(crop, 0, size, inverse=True))
            for points, crop in zip(cells, crops, strict=True)
        ]
    )


def lineage_decode(heatmaps, crops):
    """Argmax, quarter step, image pixels, as the HRNet family does it."""
    cells, values = peaks(heatmaps)
    size = (heatmaps.shape[3], heatmaps.shape[2])
    return to_image(quarter(heatmaps, cells), crops, size), values


def soft_argmax(heatmaps, beta):
    """Expected cell of each map and its value at the nearest one."""
    n, k, height, width = heatmaps.shape
    cells, values = np.zeros((n, k, 2)), np.zeros((n, k))
    for i in range(n):
        for j in range(k):
            m = heatmaps[i, j].astype(np.float64)
            p = np.exp(beta * (m - m.max()))
            p /= p.sum()
            x, y = (p.sum(0) * np.arange(width)).sum(), (p.sum(1) * np.arange(height)).sum()
            cells[i, j] = x, y
            values[i, j] = heatmaps[i, j, round(y), round(x)]
    return cells, values


def dark(heatmaps, cells, values, kernel):
    """Smooth whole maps, scale them back to their maximum, one Newton step per joint."""
    n, k, height, width = heatmaps.shape
    border = kernel // 2
    refined = cells.astype(np.float64)
    for i in range(n):
        for j in range(k):
            padded = np.pad(heatmaps[i, j], border)
            smooth = cv2.GaussianBlur(padded, (kernel, kernel), 0)
            smooth = smooth[border : border + height, border : border + width]
            smooth = smooth * heatmaps[i, j].max() / smooth.max()
            p = np.log(np.maximum(smooth, 1e-10)).astype(np.float64)
            x, y = cells[i, j].astype(int)
            if values[i, j] <= 0 or not (1 < x < width - 2 and 1 < y < height - 2):
                continue
            gradient = np.array([p[y, x + 1] - p[y, x - 1], p[y + 1, x] - p[y - 1, x]]) / 2
            dxx = (p[y, x + 2] - 2 * p[y, x] + p[y, x - 2]) / 4
            dyy = (p[y + 2, x] - 2 * p[y, x] + p[y - 2, x]) / 4
            dxy = p[y + 1, x + 1] - p[y - 1, x + 1] - p[y + 1, x - 1] + p[y - 1, x - 1]
            hessian = np.array([[dxx, dxy / 4], [dxy / 4, dyy]])
            if np.linalg.det(hessian) != 0:
                refined[i, j] -= np.linalg.solve(hessian, gradient)
    return refined


def flip_back(heatmaps, pairs):
    """Mirror maps and swap channels pair by pair."""
    back = heatmaps[..., ::-1].copy()
    for left, right in pairs:
        back[:, [left, right]] = back[:, [right, left]]
    return back
