"""Made-up network outputs: people as blobs with tags, missed joints, clutter, background noise."""

import numpy as np
import torch

TEMPLATE = np.array(  # 17 COCO joints of a standing person, x in -1..1, y in 0..4
    [[0, 0.2], [0.1, 0.1], [-0.1, 0.1], [0.2, 0.15], [-0.2, 0.15], [0.4, 0.7], [-0.4, 0.7],
     [0.6, 1.3], [-0.6, 1.3], [0.7, 1.9], [-0.7, 1.9], [0.25, 2.0], [-0.25, 2.0], [0.3, 2.9],
     [-0.3, 2.9], [0.3, 3.8], [-0.3, 3.8]]
)  # fmt: skip


def scene(seed, *, people=4, joints=17, size=(128, 160), length=2, shared=False, clutter=0.5,
          missing=0.2, noise=0.01, spread=1.5, sigma=2.0):  # fmt: skip
    """Heatmaps (K, H, W) and tags (K or 1, H, W, L) of one scene; ``size`` is (H, W)."""
    rng = np.random.default_rng(seed)
    height, width = size
    heat = rng.normal(0, noise, (joints, height, width)).astype(np.float32)
    maps = 1 if shared else joints
    tags = rng.normal(0, 0.3, (maps, height, width, length)).astype(np.float32)
    for _ in range(people):
        unit = rng.uniform(0.06, 0.12) * height
        corner = rng.uniform([0, 0], [width, height - 3 * unit])
        tag = rng.normal(0, spread, length)
        for j in range(joints):
            if rng.random() >= missing:
                place = corner + TEMPLATE[j] * unit + rng.normal(0, 1, 2)
                _blob(heat[j], tags[j % maps], place, rng.uniform(0.25, 1), tag, sigma, rng)
    for j in range(joints):
        for _ in range(rng.poisson(clutter)):
            place = rng.uniform([0, 0], [width, height])
            tag = rng.normal(0, spread, length)
            _blob(heat[j], tags[j % maps], place, rng.uniform(0.15, 0.5), tag, sigma, rng)
    return torch.from_numpy(heat), torch.from_numpy(tags)


def _blob(heat, tags, place, height, tag, sigma, rng):
    """Paint a Gaussian with its tags into the window around ``place``, as far as it lies inside."""
    reach = int(3 * sigma + 1)
    x, y = (int(v) for v in place)
    rows = slice(max(0, y - reach), max(0, y + reach + 1))
    columns = slice(max(0, x - reach), max(0, x + reach + 1))
    window = heat[rows, columns]
    if not window.size:
        return
    yy, xx = np.mgrid[rows.start : rows.start + window.shape[0],
                      columns.start : columns.start + window.shape[1]]  # fmt: skip
    blob = height * np.exp(-((xx - place[0]) ** 2 + (yy - place[1]) ** 2) / (2 * sigma**2))
    stronger = blob > window
    window[stronger] = blob[stronger]
    here = tag + rng.normal(0, 0.05, (*window.shape, len(tag)))
    tags[rows, columns][stronger] = here[stronger]
