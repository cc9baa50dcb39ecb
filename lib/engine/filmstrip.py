"""The same few test images painted after every evaluation: what the network sees as it learns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.annotations.tables import PersonTable
from lib.datasets.sources import read_people, source_skeleton
from lib.engine.inference import evaluating
from lib.structures.drawing import draw_poses, join_panels, overlay_heatmaps, save_picture
from lib.structures.geometry import CROP_PADDING, xywh_to_xyxy
from lib.structures.results import Poses
from lib.structures.skeleton import Skeleton
from lib.tasks.base import Task
from lib.tasks.sets import test_members
from lib.tasks.splits import build_source
from lib.utils.errors import UserError

logger = logging.getLogger(__name__)

FOLDER = "samples"
_HEIGHT = 240  # of a row
_MOST_PEOPLE = 8  # whose boxes a top-down network gets


@dataclass(frozen=True)
class Scene:
    """Images of a test split, with what is annotated there.

    Attributes:
        task: predicts.
        people: of the test split.
        skeleton: of their joints.
        images: numbers of the images to show.
        name: of the split's data set in a mix.
    """

    task: Task
    people: PersonTable
    skeleton: Skeleton
    images: list[int]
    name: str = ""


class FilmStrip:
    """The same images after every evaluation.

    Args:
        scenes: what to show.
        folder: run folder.
    """

    def __init__(self, scenes: Sequence[Scene], folder: Path) -> None:
        self.scenes = scenes
        self.folder = folder
        self._broken = not any(scene.images for scene in scenes)

    def paint(self, network: nn.Module, step: int) -> dict[str, str]:
        """Paint what ``network`` finds, and return the file in the run folder by its name.

        Each row has the truth, what was found, and the maps where the task has some. What cannot be
        painted costs a warning, once.
        """
        if self._broken:
            return {}
        file = f"{FOLDER}/step_{step:08d}.jpg"
        try:
            with evaluating(network), torch.no_grad():
                rows = [row for scene in self.scenes for row in paint_rows(scene, network)]
            save_picture(self.folder / file, stacked(rows))
        except Exception as error:  # a task of one's own, or a full device, must not end a training
            self._broken = True
            logger.warning("No samples are painted any more (%s); training goes on.", error)
            return {}
        return {FOLDER: file}


def paint_rows(scene: Scene, network: nn.Module) -> list[np.ndarray]:
    """Return each image of a scene as truth, what was found, and maps, side by side."""
    task, people = scene.task, scene.people
    images = [people.images.read(number) for number in scene.images]
    boxes = [_boxes_for(task, people, number) for number in scene.images]
    found = task.predict_images(network, images, boxes)  # everybody in common batches
    rows = []
    for place, (number, pixels) in enumerate(zip(scene.images, images, strict=True)):
        heat = task.heat(network, pixels, boxes[place]) if task.gives_heat else None
        own = found.select(found.image_ids == place)
        rows.append(_paint_row(scene, people_of(people, number), pixels, own, heat))
    return rows


def _boxes_for(task: Task, people: PersonTable, number: int) -> np.ndarray | None:
    if not task.takes_boxes:
        return None
    return told_boxes(people, people_of(people, number)[:_MOST_PEOPLE])


def _paint_row(
    scene: Scene, rows: np.ndarray, pixels: np.ndarray, found: Poses, heat: np.ndarray | None
) -> np.ndarray:
    people, skeleton = scene.people, scene.task.skeleton
    joints, seen = people.keypoints[rows], people.visibility[rows]
    panels = {
        "truth": draw_poses(pixels, joints, seen, scene.skeleton, threshold=1),
        "found": draw_poses(pixels, found.keypoints, found.keypoint_scores, skeleton),
    }
    if heat is not None:
        panels["maps"] = overlay_heatmaps(pixels, heat[None])
    size = (max(1, round(_HEIGHT * pixels.shape[1] / pixels.shape[0])), _HEIGHT)
    shrunk = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in panels.values()]
    return join_panels(shrunk, [f"{scene.name} {title}".strip() for title in panels])


def build_filmstrip(cfg: CfgNode, task: Task, folder: Path) -> FilmStrip | None:
    """Return what ``TEST.SAMPLES`` asks for, of each set that is tested on; None for nothing."""
    if not cfg.TEST.SAMPLES:
        return None
    members = test_members(cfg) if cfg.DATASET.MIX else {"": cfg}
    scenes = []
    try:
        for name, tested in task.test_sets.items():
            own = members[name]
            source = build_source(own, train=False)
            people, skeleton = read_people(source, source_skeleton(source, own.DATASET.SKELETON))
            images = choose_images(people, cfg.TEST.SAMPLES)
            scenes.append(Scene(tested, people, skeleton, images, name))
    except UserError as error:
        logger.warning("TEST.SAMPLES: no samples are painted (%s)", error)
        return None
    return FilmStrip(scenes, folder)


def choose_images(people: PersonTable, count: int) -> list[int]:
    """Return numbers of images: of each of ``count`` equal parts the one with most people."""
    labelled = people.image_index[(people.visibility > 0).any(axis=1)]
    crowds = np.bincount(labelled, minlength=len(people.images))
    parts = np.array_split(np.arange(len(crowds)), min(count, len(crowds)) or 1)
    chosen = [int(part[np.argmax(crowds[part])]) for part in parts if len(part)]
    return [number for number in chosen if crowds[number]]


def people_of(people: PersonTable, number: int) -> np.ndarray:
    """Return the rows of the people with joints in an image, the largest first."""
    labelled = (people.visibility > 0).any(axis=1)
    rows = np.flatnonzero((people.image_index == number) & labelled)
    return rows[np.argsort(-people.areas[rows], kind="stable")]


def told_boxes(people: PersonTable, rows: np.ndarray) -> np.ndarray:
    """Return (N, 4) ``x1, y1, x2, y2`` that lead to the crops of people, where a set has some."""
    boxes, crops = people.boxes[rows], people.crops[rows]
    sides = crops[:, 2:] / CROP_PADDING
    shown = np.concatenate([crops[:, :2] - sides / 2, sides], axis=1)
    return xywh_to_xyxy(np.where(np.isnan(crops), boxes, shown).astype(np.float32))


def stacked(rows: list[np.ndarray]) -> np.ndarray:
    """Return pictures of several widths below each other, on black."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
    )
