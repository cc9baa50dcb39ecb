"""The same few test images painted after every evaluation: what the network sees as it learns."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.annotations.form import Annotations
from lib.config.variants import member_configs
from lib.datasets.sources import read_source
from lib.engine.inference import evaluating
from lib.structures.drawing import draw_poses, join_panels, overlay_heatmaps, save_picture
from lib.tasks.base import Task
from lib.tasks.splits import build_source
from lib.utils.errors import UserError

logger = logging.getLogger(__name__)

FOLDER = "samples"
_HEIGHT = 240  # of a row
_MOST_PEOPLE = 8  # whose boxes a top-down network gets


class FilmStrip:
    """Chosen images of the test split, with what is annotated there.

    Args:
        task: predicts.
        truth: of the test split.
        count: images; those with most people, spread over the split.
        folder: run folder.
    """

    def __init__(self, task: Task, truth: Annotations, count: int, folder: Path) -> None:
        self.task = task
        self.truth = truth
        self.folder = folder
        self.images = choose_images(truth, count)
        self._broken = False

    def paint(self, network: nn.Module, step: int) -> dict[str, str]:
        """Paint what ``network`` finds, and return the file in the run folder by its name.

        Each row has the truth, what was found, and the maps where the task has some. What cannot be
        painted costs a warning, once.
        """
        if self._broken or not self.images:
            return {}
        file = f"{FOLDER}/step_{step:08d}.jpg"
        try:
            with evaluating(network), torch.no_grad():
                rows = [self._row(network, number) for number in self.images]
            save_picture(self.folder / file, stacked(rows))
        except (UserError, OSError) as error:
            self._broken = True
            logger.warning("No samples are painted any more (%s); training goes on.", error)
            return {}
        return {FOLDER: file}

    def _row(self, network: nn.Module, number: int) -> np.ndarray:
        pixels = self.truth.images.read(number)
        rows = people_of(self.truth, number)
        corners = self.truth.boxes[rows].astype(np.float32)
        corners[:, 2:] += corners[:, :2]
        boxes = corners[:_MOST_PEOPLE] if self.task.takes_boxes else None
        found = self.task.predict_image(network, pixels, boxes)
        skeleton, known = self.task.skeleton, self.truth.triples[rows]
        panels = {
            "truth": draw_poses(
                pixels, known[..., :2], known[..., 2], self.truth.skeleton, threshold=1
            ),
            "found": draw_poses(pixels, found.keypoints, found.keypoint_scores, skeleton),
        }
        if self.task.gives_heat:
            heat = self.task.heat(network, pixels, boxes)
            panels["maps"] = overlay_heatmaps(pixels, heat[None])
        size = (max(1, round(_HEIGHT * pixels.shape[1] / pixels.shape[0])), _HEIGHT)
        shrunk = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in panels.values()]
        return join_panels(shrunk, list(panels))


def build_filmstrip(cfg: CfgNode, task: Task, folder: Path) -> FilmStrip | None:
    """Return what ``TEST.SAMPLES`` asks for; None for nothing, or a split without COCO's form.

    Of a mix the first set that is tested on is shown.
    """
    if not cfg.TEST.SAMPLES:
        return None
    tested = next(iter(task.test_sets.values()))
    members = [one for one in member_configs(cfg) if one.DATASET.TEST_SET]
    try:
        source = build_source(members[0], train=False)
        truth = read_source(source, tested.skeleton)
    except UserError as error:
        logger.warning("TEST.SAMPLES: no samples are painted (%s)", error)
        return None
    return FilmStrip(tested, truth, cfg.TEST.SAMPLES, folder)


def choose_images(truth: Annotations, count: int) -> list[int]:
    """Return numbers of images: of each of ``count`` equal parts the one with most people."""
    people = truth.people.image_index[truth.num_keypoints > 0]
    crowds = np.bincount(people, minlength=len(truth.images))
    parts = np.array_split(np.arange(len(truth.images)), min(count, len(truth.images)) or 1)
    chosen = [int(part[np.argmax(crowds[part])]) for part in parts if len(part)]
    return [number for number in chosen if crowds[number]]


def people_of(truth: Annotations, number: int) -> np.ndarray:
    """Return the rows of the people with joints in an image, the largest first."""
    rows = np.flatnonzero((truth.people.image_index == number) & (truth.num_keypoints > 0))
    return rows[np.argsort(-truth.areas[rows], kind="stable")]


def stacked(rows: list[np.ndarray]) -> np.ndarray:
    """Return pictures of several widths below each other, on black."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
    )
