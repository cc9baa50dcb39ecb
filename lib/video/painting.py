"""Frames with their people painted on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from lib.structures.drawing import draw_poses, overlay_heatmaps
from lib.structures.skeleton import Skeleton
from lib.structures.union import joint_name
from lib.utils.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Painter:
    """How people are painted.

    Attributes:
        skeleton: of the people.
        joints: numbers of those to paint.
        palette: one of ``PALETTES``.
        threshold: least score of a painted joint.
        outline: paint boxes.
        scores: write scores beside people.
        fade: paint joints the fainter the lower they score.
        black: paint on black instead of the picture.
    """

    skeleton: Skeleton
    joints: Sequence[int]
    palette: str = "coco"
    threshold: float = 0.3
    outline: bool = False
    scores: bool = False
    fade: bool = False
    black: bool = False

    def paint(
        self, image: np.ndarray, people: list[dict[str, Any]], heat: np.ndarray | None = None
    ) -> np.ndarray:
        """Return a picture with its people on it.

        Args:
            image: (H, W, 3) uint8, blue-green-red.
            people: as `person_entry` gives them, with all joints.
            heat: (H, W) in [0, 1] to tint the picture with, below the people.
        """
        if self.black:
            image = np.zeros_like(image)
        if heat is not None:
            image = overlay_heatmaps(image, heat[None])
        if not people:
            return image
        triples = np.array([person["keypoints"] for person in people])
        points = np.full_like(triples[..., :2], np.nan)  # what is not a number is not painted
        points[:, self.joints] = triples[:, self.joints, :2]
        return draw_poses(
            image,
            points,
            triples[..., 2],
            self.skeleton,
            palette=self.palette,
            threshold=self.threshold,
            boxes=np.array([person["box"] for person in people]) if self.outline else None,
            labels=[self._label(person) for person in people],
            fade=self.fade,
        )

    def _label(self, person: dict[str, Any]) -> str:
        """Return number and score of a person, as far as there are any to show."""
        parts = [f"#{person['track']}"] if "track" in person else []
        return " ".join([*parts, *([f"{person['score']:.2f}"] if self.scores else [])])


def choose_joints(skeleton: Skeleton, names: str) -> list[int]:
    """Return the numbers of the joints that are named, in the skeleton's order.

    Args:
        skeleton: has the joints.
        names: with commas between them, in any spelling (``RWrist``, ``wrist_r``); ``*`` and ``?``
            stand for letters, as in ``left_*``. Empty names all.

    Raises:
        ConfigError: a name fits no joint.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        return list(range(skeleton.num_joints))
    chosen: set[int] = set()
    for name in wanted:
        fitting = [k for k, joint in enumerate(skeleton.joints) if _fits(joint, name)]
        if not fitting:
            raise ConfigError(
                f"--joints: {skeleton.name} has no joint '{name}'."
                f"{did_you_mean(name, skeleton.joints)}"
            )
        chosen.update(fitting)
    return sorted(chosen)


def select_joints(skeleton: Skeleton, joints: Sequence[int]) -> Skeleton:
    """Return a skeleton of some joints, with the pairs and limbs between them."""
    place = {k: n for n, k in enumerate(joints)}

    def kept(pairs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        return tuple((place[a], place[b]) for a, b in pairs if a in place and b in place)

    return replace(
        skeleton,
        joints=tuple(skeleton.joints[k] for k in joints),
        flip_pairs=kept(skeleton.flip_pairs),
        limbs=kept(skeleton.limbs),
        upper_body=tuple(place[k] for k in skeleton.upper_body if k in place),
        sigmas=tuple(skeleton.sigmas[k] for k in joints),
        joint_weights=tuple(skeleton.joint_weights[k] for k in joints),
        grouping_order=tuple(place[k] for k in skeleton.grouping_order if k in place),
    )


def _fits(joint: str, name: str) -> bool:
    """Say whether a name, or a pattern, means a joint."""
    spellings = (joint.lower(), joint_name(joint))
    return joint_name(name) in spellings or any(fnmatchcase(s, name.lower()) for s in spellings)
