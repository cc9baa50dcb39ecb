"""Training samples as pictures: what a model of whole images is really given, painted.

Top-down models are shown by ``tools/browse_dataset.py`` itself, person by person.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

from lib.structures.drawing import draw_label, overlay_heatmaps
from lib.tasks.base import Batch
from lib.tasks.bottomup import BottomUpTask
from lib.tasks.rcnn import RcnnTask
from lib.tasks.views import paint_boxed, paint_masked

TILE = 320  # pixels: height of a picture in a sheet
_HUES = np.arange(0, 256, 23).astype(np.uint8)[:, None]
_PEOPLE = cv2.applyColorMap(_HUES, cv2.COLORMAP_HSV)[:, 0]

Picture = tuple[str, np.ndarray]  # title, (H, W, 3) uint8 blue-green-red


def sample_pictures(
    task: BottomUpTask | RcnnTask, key: tuple[int, int], style: str = "coco"
) -> list[Picture]:
    """Return what training sample ``(epoch, index)`` gives the model and the loss.

    Args:
        task: of a model that takes whole images.
        key: epoch and index.
        style: palette of the skeletons.

    Returns:
        Bottom-up: the network's input with the joints, and dark what the mask hides; then, of each
        stage, the heatmaps, and the cells whose tags are pulled together, one colour a person.
        One-stage: the image with boxes and joints.
    """
    if isinstance(task, RcnnTask):
        return _of_rcnn(task, key, style)
    return _of_bottomup(task, key, style)


def image_rows(task: BottomUpTask | RcnnTask) -> np.ndarray:
    """Return (N,) the row of each training sample in the split's table of images."""
    return task.train_images.rows if isinstance(task, RcnnTask) else task.train_images.source.rows


def sheet_row(pictures: Sequence[Picture]) -> np.ndarray:
    """Return pictures of one height side by side, each with its title."""
    tiles = []
    for title, picture in pictures:
        width = max(1, round(picture.shape[1] * TILE / picture.shape[0]))
        tile = cv2.resize(picture, (width, TILE), interpolation=cv2.INTER_AREA)
        draw_label(tile, title, (0, 0))
        tiles.append(cv2.copyMakeBorder(tile, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255,) * 3))
    return np.concatenate(tiles, axis=1)


def stack_rows(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return rows of any widths below each other, white where they end."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows]
    )


def _of_rcnn(task: RcnnTask, key: tuple[int, int], style: str) -> list[Picture]:
    batch = task.collate([task.train_images[key]])
    shown = paint_boxed(batch, 0, task.skeleton, style)
    name = task.train_images.name(key[1]).replace("\\", "/").rpartition("/")[2]
    return [(f"{name}: {len(batch['targets'][0]['boxes'])} boxes", shown)]


def _of_bottomup(task: BottomUpTask, key: tuple[int, int], style: str) -> list[Picture]:
    batch = task.collate([task.train_images[key]])
    image = batch["image"][0].numpy()
    shown = paint_masked(batch, 0, task.skeleton, style)
    name = task.train_images.name(key[1]).replace("\\", "/").rpartition("/")[2]
    pictures = [(f"{name}: joints, mask", shown)]
    for stage in range(len(batch["masks"])):
        pictures += _targets(task, batch, image, stage)
    return pictures


def _targets(task: BottomUpTask, batch: Batch, image: np.ndarray, stage: int) -> list[Picture]:
    side, found = batch["masks"][stage].shape[-1], []
    heatmaps = task.heatmap_targets(stage, side, batch)
    if heatmaps is not None:
        seen = heatmaps[0].numpy()
        found.append((f"heatmaps {stage}: {side} cells", overlay_heatmaps(image, seen)))
    indices = task.tag_targets(stage, side, batch)
    if indices is not None:
        found.append((f"tags {stage}: {side} cells", _paint_tags(image // 2, indices[0], side)))
    return found


def _paint_tags(image: np.ndarray, indices: Tensor, side: int) -> np.ndarray:
    """Paint a dot at each cell of (N, K, 2) indices into the flattened tag maps."""
    scale = image.shape[0] / side
    for person, rows in enumerate(indices.tolist()):
        color = tuple(map(int, _PEOPLE[person % len(_PEOPLE)]))
        for index, used in rows:
            if used:
                y, x = divmod(index % side**2, side)
                centre = (round((x + 0.5) * scale), round((y + 0.5) * scale))
                cv2.circle(image, centre, max(2, round(0.008 * image.shape[0])), color, cv2.FILLED)
    return image
