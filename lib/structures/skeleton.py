"""Skeletons as data: joint names, mirror pairs, limbs, OKS sigmas; from YAML or COCO files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lib.utils.errors import DataError, did_you_mean

SKELETON_FOLDER = Path(__file__).parent / "skeletons"
_LEGS = ("hip", "pelvis", "knee", "ankle", "foot", "heel", "toe", "leg")
DEFAULT_SIGMA = 0.05  # for joints whose annotation spread nobody has measured


@dataclass(frozen=True)
class Skeleton:
    """What a data set means by a pose. K joints; every list is indexed by joint number.

    Attributes:
        name: name of the data set.
        joints: K names, ``left_``/``right_`` prefixed where sides exist.
        flip_pairs: pairs of joint numbers that swap under a horizontal mirror.
        limbs: pairs of joint numbers to join by a line, in drawing order.
        upper_body: joint numbers above the hips; the others are the lower body.
        sigmas: K spreads of object keypoint similarity, relative to the square root of the area.
        joint_weights: K loss weights for ``LOSS.USE_DIFFERENT_JOINTS_WEIGHT``.
        grouping_order: the order in which bottom-up grouping visits the joints.
    """

    name: str
    joints: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    limbs: tuple[tuple[int, int], ...]
    upper_body: tuple[int, ...]
    sigmas: tuple[float, ...]
    joint_weights: tuple[float, ...]
    grouping_order: tuple[int, ...]

    @property
    def num_joints(self) -> int:
        """K."""
        return len(self.joints)

    @cached_property
    def flip_index(self) -> np.ndarray:
        """(K,) int64: joint ``k`` of a mirrored image is ``flip_index[k]`` of the original."""
        index = np.arange(self.num_joints)
        for left, right in self.flip_pairs:
            index[left], index[right] = right, left
        return index

    @cached_property
    def lower_body(self) -> tuple[int, ...]:
        """Joint numbers that are not in ``upper_body``."""
        return tuple(k for k in range(self.num_joints) if k not in self.upper_body)


def skeleton_from_dict(entry: dict[str, Any], source: str) -> Skeleton:
    """Check ``entry`` (the keys of a skeleton YAML file) and build the skeleton.

    Only ``name`` and ``joints`` are required; pairs missing from ``flip_pairs`` are found by the
    ``left_``/``right_`` prefixes, ``sigmas`` default to 0.05.

    Raises:
        DataError: a list has the wrong length or names a joint that does not exist.
    """
    joints = tuple(str(joint) for joint in entry.get("joints", ()))
    if not joints or len(set(joints)) != len(joints):
        raise DataError(f"{source}: 'joints' must list distinct joint names, got {list(joints)}.")
    count = len(joints)
    skeleton = Skeleton(
        name=str(entry.get("name", "custom")),
        joints=joints,
        flip_pairs=_pairs(entry.get("flip_pairs", _mirror_pairs(joints))),
        limbs=_pairs(entry.get("limbs", ())),
        upper_body=tuple(int(k) for k in entry.get("upper_body", _upper_body(joints))),
        sigmas=tuple(float(s) for s in entry.get("sigmas", [DEFAULT_SIGMA] * count)),
        joint_weights=tuple(float(w) for w in entry.get("joint_weights", [1.0] * count)),
        grouping_order=tuple(int(k) for k in entry.get("grouping_order", range(count))),
    )
    for field in ("sigmas", "joint_weights", "grouping_order"):
        if len(getattr(skeleton, field)) != count:
            raise DataError(f"{source}: '{field}' must have {count} entries, one per joint.")
    used = [k for pair in (*skeleton.flip_pairs, *skeleton.limbs) for k in pair]
    if any(not 0 <= k < count for k in (*used, *skeleton.upper_body)):
        raise DataError(f"{source}: a joint number is outside 0..{count - 1}.")
    return skeleton


@lru_cache(maxsize=32)
def load_skeleton(name_or_file: str) -> Skeleton:
    """Return a shipped skeleton by name (coco, mpii, crowdpose) or one from a YAML file.

    Text in braces is the skeleton itself: model cards carry theirs so.

    Raises:
        DataError: neither a known name nor a readable YAML file.
    """
    if name_or_file.startswith("{"):
        return skeleton_from_dict(yaml.safe_load(name_or_file), "DATASET.SKELETON")
    path = Path(name_or_file)
    if path.suffix not in (".yaml", ".yml"):
        path = SKELETON_FOLDER / f"{name_or_file}.yaml"
    if not path.is_file():
        known = [file.stem for file in SKELETON_FOLDER.glob("*.yaml")]
        raise DataError(f"No skeleton '{name_or_file}'.{did_you_mean(name_or_file, known)}")
    return skeleton_from_dict(yaml.safe_load(path.read_text()), str(path))


def is_shipped(skeleton: Skeleton) -> bool:
    """Return whether ``load_skeleton`` gives this one for its name."""
    file = SKELETON_FOLDER / f"{skeleton.name}.yaml"
    return file.is_file() and load_skeleton(skeleton.name) == skeleton


def skeleton_from_category(category: dict[str, Any], source: str) -> Skeleton:
    """Build the skeleton of a COCO ``categories`` entry; a shipped one if its joints are the same.

    ``category["skeleton"]`` counts joints from 1, as COCO does.
    """
    joints = tuple(str(name) for name in category.get("keypoints", ()))
    for file in sorted(SKELETON_FOLDER.glob("*.yaml")):
        known = load_skeleton(file.stem)
        if known.joints == joints:
            return known
    limbs = [[int(a) - 1, int(b) - 1] for a, b in category.get("skeleton", ())]
    entry = {"name": category.get("name", "custom"), "joints": joints, "limbs": limbs}
    if "sigmas" in category:
        entry["sigmas"] = category["sigmas"]
    return skeleton_from_dict(entry, source)


def _upper_body(joints: tuple[str, ...]) -> list[int]:
    """Return the joints that no part of a leg is named for; the first half where none is."""
    upper = [k for k, joint in enumerate(joints) if not any(p in joint.lower() for p in _LEGS)]
    return upper if len(upper) < len(joints) else list(range((len(joints) + 1) // 2))


def _pairs(values: Any) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in values)


def _mirror_pairs(joints: tuple[str, ...]) -> list[tuple[int, int]]:
    """Pair ``left_x``/``right_x`` and ``x_left``/``x_right`` spellings, any case."""
    lowered = [joint.lower() for joint in joints]
    pairs = []
    for k, joint in enumerate(lowered):
        if "left" in joint and joint.replace("left", "right") in lowered:
            pairs.append((k, lowered.index(joint.replace("left", "right"))))
    return pairs
