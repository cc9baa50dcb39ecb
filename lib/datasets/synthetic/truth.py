"""What is true about a rendered scene: joints and their visibility, masks and boxes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lib.datasets.synthetic.body import FACE_NORMALS, POINT
from lib.datasets.synthetic.head import seen_from_front
from lib.datasets.synthetic.scene import CROWD_LABEL, LABELS_PER_PERSON, Person, Scene
from lib.datasets.synthetic.solids import PARTS
from lib.structures.skeleton import load_skeleton

HIDDEN, OCCLUDED, VISIBLE = 0, 1, 2
SMALLEST_MASK = 30  # pixels; less of a person is not annotated at all
FEWEST_VISIBLE = 3  # with fewer visible joints nobody could annotate the rest
SMALLEST_PIECE = 4.0  # square pixels; smaller islands are left out of the polygons
OUTLINE_TOLERANCE = 0.35  # pixels a polygon may cut off
TORSO_BACK = -0.045  # statures behind the middle of the trunk: a shoulder there is its far side

# Parts that show a joint: a pixel of any other part means that something lies over the joint.
SHOWN_BY = {
    **dict.fromkeys(("nose", "left_eye", "right_eye", "head_top"), ("head", "hair", "hat")),
    "left_ear": ("head",),
    "right_ear": ("head",),
    **dict.fromkeys(("neck", "upper_neck"), ("neck", "head", "torso", "hair")),
    "thorax": ("torso", "neck", "bag", "hair"),
    "pelvis": ("torso", "hips", "skirt"),
    **{
        f"{side}_{joint}": parts
        for side in ("left", "right")
        for joint, parts in {
            "shoulder": (f"{side}_upper_arm", "torso"),
            "elbow": (f"{side}_upper_arm", f"{side}_forearm"),
            "wrist": (f"{side}_forearm", f"{side}_hand"),
            "hip": (f"{side}_thigh", "torso", "hips", "skirt"),
            "knee": (f"{side}_thigh", f"{side}_shin", "skirt"),
            "ankle": (f"{side}_shin", f"{side}_foot"),
        }.items()
    },
}
TRUNK_PARTS = ("torso", "hips", "skirt")


@dataclass(frozen=True)
class Truth:
    """What is known about one person in a finished image.

    Attributes:
        person: the rendered person.
        mask: (H, W) bool, pixels that show the person.
        box: ``(x, y, width, height)`` of the mask in pixels, the COCO way: a single pixel has
            width 1.
        area: number of pixels of the mask.
        labelled: whether joints are annotated.
    """

    person: Person
    mask: np.ndarray
    box: tuple[int, int, int, int]
    area: int
    labelled: bool

    def joints(self, names: tuple[str, ...], labels: np.ndarray) -> np.ndarray:
        """Return (K, 3) float64 ``(x, y, visibility)`` of named body points.

        Coordinates are exact image pixels (pixel i is centred on i). Visibility is 2 where the
        joint is seen, 1 where something lies over it, and 0 with coordinates 0 outside the image
        and for faces that look away: nobody annotates a nose on the back of a head.
        """
        return joint_rows(self.person, names, labels)


def find_truth(scene: Scene) -> list[Truth]:
    """Measure every person of a scene, back to front; those hidden altogether are left out."""
    owner = (scene.labels.astype(np.int16) - 1) // LABELS_PER_PERSON
    owner[scene.labels == 0] = -1
    owner[scene.labels == CROWD_LABEL] = -1
    names = load_skeleton("coco").joints
    found = []
    for person in scene.people:
        mask = owner == person.first_label // LABELS_PER_PERSON
        area = int(np.count_nonzero(mask))
        if area < SMALLEST_MASK:
            continue
        seen = int((joint_rows(person, names, scene.labels)[:, 2] == VISIBLE).sum())
        labelled = person.labelled and seen >= FEWEST_VISIBLE
        found.append(Truth(person, mask, mask_box(mask), area, labelled))
    return found


def joint_rows(person: Person, names: tuple[str, ...], labels: np.ndarray) -> np.ndarray:
    """Return (K, 3) ``(x, y, visibility)`` rows; see ``Truth.joints``."""
    rows = np.zeros((len(names), 3))
    height, width = labels.shape
    for row, name in enumerate(names):
        x, y = person.view.pixel(name)
        inside = 0 <= x <= width - 1 and 0 <= y <= height - 1
        turned_away = name in FACE_NORMALS and not seen_from_front(person.view.body.head, name)
        if inside and not turned_away:
            label = int(labels[round(float(y)), round(float(x))])
            shown = _shows(person, name, label - person.first_label)
            rows[row] = x, y, VISIBLE if shown else OCCLUDED
    return rows


def _shows(person: Person, joint: str, part: int) -> bool:
    """Return whether a pixel of part number ``part`` (any int) shows this joint."""
    if not 0 <= part < len(PARTS) or PARTS[part] not in SHOWN_BY[joint]:
        return False
    if PARTS[part] in TRUNK_PARTS and joint != "pelvis":
        view = person.view
        middle = view.depth("thorax" if joint.endswith("shoulder") else "pelvis")
        return float(view.body.points[POINT[joint], 2]) - middle > TORSO_BACK
    return True


def mask_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return ``(x, y, width, height)`` of a (H, W) bool mask that is not empty."""
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


def mask_polygons(mask: np.ndarray) -> list[list[float]]:
    """Outline a (H, W) bool mask the COCO way; holes are filled.

    Returns:
        One flat list ``x1, y1, x2, y2, ...`` per island, in COCO's polygon frame, where pixel i
        reaches from i to i + 1.
    """
    left, top, width, height = mask_box(mask)
    part = mask[top : top + height, left : left + width].astype(np.uint8)
    # twice the size, so that the outline through pixel centres is a quarter pixel from the rim
    double = cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(double, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    polygons: list[list[float]] = []
    for outline in outlines:
        if cv2.contourArea(outline) < 4 * SMALLEST_PIECE:
            continue
        corners = cv2.approxPolyDP(outline, 2 * OUTLINE_TOLERANCE, True)[:, 0]
        if len(corners) >= 3:
            pixels = (corners + 0.5) / 2 + (left, top)
            polygons.append(np.round(pixels, 2).ravel().tolist())
    if polygons:
        return polygons
    right, bottom = left + width, top + height  # crumbs only: the box stands for them
    return [[float(value) for value in (left, top, right, top, right, bottom, left, bottom)]]


def mask_runs(mask: np.ndarray) -> dict[str, list[int]]:
    """Return the uncompressed run lengths of a (H, W) bool mask, as COCO stores crowd regions."""
    column_major = mask.ravel(order="F")
    changes = np.flatnonzero(column_major[1:] != column_major[:-1]) + 1
    edges = np.concatenate([[0], changes, [column_major.size]])
    counts = np.diff(edges).tolist()
    if column_major[0]:  # runs start with the number of zeros
        counts = [0, *counts]
    return {"counts": counts, "size": [mask.shape[0], mask.shape[1]]}


def keypoint_list(joints: np.ndarray) -> list[float]:
    """Flatten (K, 3) rows to COCO's ``x1, y1, v1, ...``; hundredths of a pixel, integer v."""
    flat: list[float] = []
    for x, y, visibility in joints:
        flat += [round(float(x), 2), round(float(y), 2), int(visibility)]
    return flat
