"""Skeletons as data: joint names, mirror pairs, limbs, OKS sigmas; from YAML or COCO files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lib.structures.mirror import mirror_pairs
from lib.utils.errors import DataError, did_you_mean
from lib.utils.files import fault_in

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


def skeleton_from_dict(entry: Any, source: str) -> Skeleton:
    """Check ``entry`` (the keys of a skeleton YAML file) and build the skeleton.

    Only ``name`` and ``joints`` are required; without ``flip_pairs`` they are found by the sides
    in the names (see `mirror_pairs`), ``sigmas`` default to 0.05. Pairs are numbers or names of
    joints, so that any language's left and right can be paired.

    Raises:
        DataError: ``entry`` is not a dictionary, a list has the wrong length or names a joint that
            does not exist, a joint is in two pairs, or a sigma is not above 0.
    """
    if not isinstance(entry, dict):
        raise DataError(f"{source} must say 'joints: [...]' and more of a skeleton: {entry!r:.60}.")
    entry = {k: v for k, v in entry.items() if v is not None or k == "sigmas"}
    joints = _joint_names(entry.get("joints", ()), source)
    count = len(joints)
    skeleton = Skeleton(
        name=str(entry.get("name", "custom")),
        joints=joints,
        flip_pairs=_pairs(entry.get("flip_pairs", mirror_pairs(joints)), joints, source),
        limbs=_pairs(entry.get("limbs", ()), joints, source),
        upper_body=_places(entry.get("upper_body", _upper_body(joints)), joints, source),
        sigmas=_numbers(entry.get("sigmas", [DEFAULT_SIGMA] * count), "sigmas", source),
        joint_weights=_numbers(entry.get("joint_weights", [1.0] * count), "joint_weights", source),
        grouping_order=_places(entry.get("grouping_order", range(count)), joints, source),
    )
    for field in ("sigmas", "joint_weights", "grouping_order"):
        if len(getattr(skeleton, field)) != count:
            raise DataError(f"{source}: '{field}' must have {count} entries, one per joint.")
    _check_sigmas(skeleton, source)
    used = [k for pair in (*skeleton.flip_pairs, *skeleton.limbs) for k in pair]
    if any(not 0 <= k < count for k in (*used, *skeleton.upper_body, *skeleton.grouping_order)):
        raise DataError(f"{source}: a joint number is outside 0..{count - 1}.")
    _check_once(skeleton, source)
    return skeleton


def _joint_names(values: Any, source: str) -> tuple[str, ...]:
    plain = isinstance(values, list | tuple) and all(isinstance(v, str | int) for v in values)
    joints = tuple(map(str, values)) if plain else ()
    if not joints or len(set(joints)) != len(joints):
        raise DataError(f"{source}: 'joints' must list distinct joint names, got {values!r:.80}.")
    return joints


def _check_once(skeleton: Skeleton, source: str) -> None:
    """Refuse a joint that mirrors two others or itself, or that is grouped twice.

    Raises:
        DataError: with the joint.
    """
    mirrored = [k for pair in skeleton.flip_pairs for k in pair]
    for key, places in (("flip_pairs", mirrored), ("grouping_order", skeleton.grouping_order)):
        twice = [k for k in places if list(places).count(k) > 1]
        if twice:
            raise DataError(f"{source}: '{key}' has the joint {skeleton.joints[twice[0]]} twice.")


def _numbers(values: Any, key: str, source: str) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise DataError(f"{source}: '{key}' must list numbers, got {values!r:.60}.") from None


def _check_sigmas(skeleton: Skeleton, source: str) -> None:
    """Refuse a spread of nothing, which no pose but the very same can fit, and negative ones.

    Raises:
        DataError: with the joint.
    """
    for joint, sigma in zip(skeleton.joints, skeleton.sigmas, strict=True):
        if not 0 < sigma < math.inf:
            raise DataError(
                f"{source}: the sigma of {joint} must be above 0, got {sigma:g}; "
                "tools/data/sigmas.py measures it from repeated annotations, and "
                f"{DEFAULT_SIGMA} is what joints have that nobody has measured."
            )


@lru_cache(maxsize=32)
def load_skeleton(name_or_file: str) -> Skeleton:
    """Return a shipped skeleton by name (coco, mpii, crowdpose) or one from a YAML file.

    Text in braces is the skeleton itself: model cards carry theirs so.

    Raises:
        DataError: neither a known name nor a readable YAML file.
    """
    if name_or_file.startswith("{"):
        return skeleton_from_dict(_parse(name_or_file, "DATASET.SKELETON"), "DATASET.SKELETON")
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise DataError(
                f"No skeleton file {path}{fault_in(path)}; paths count from the folder that the "
                f"command is given in, here {Path.cwd()}."
            )
    else:
        path = SKELETON_FOLDER / f"{name_or_file}.yaml"
    if not path.is_file():
        known = [file.stem for file in SKELETON_FOLDER.glob("*.yaml")]
        raise DataError(f"No skeleton '{name_or_file}'.{did_you_mean(name_or_file, known)}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}.") from None
    return skeleton_from_dict(_parse(text, str(path)), str(path))


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{source} is not YAML: {' '.join(str(error).split())}.") from None


def is_shipped(skeleton: Skeleton) -> bool:
    """Return whether ``load_skeleton`` gives this one for its name."""
    file = SKELETON_FOLDER / f"{skeleton.name}.yaml"
    return file.is_file() and load_skeleton(skeleton.name) == skeleton


def shipped_skeleton(joints: tuple[str, ...]) -> Skeleton | None:
    """Return the shipped skeleton of exactly these joints, if there is one."""
    shipped = (load_skeleton(file.stem) for file in sorted(SKELETON_FOLDER.glob("*.yaml")))
    return next((known for known in shipped if known.joints == joints), None)


def skeleton_from_category(category: dict[str, Any], source: str) -> Skeleton:
    """Build the skeleton of a COCO ``categories`` entry; a shipped one if its joints are the same.

    ``category["skeleton"]`` counts joints from 1, as COCO does. ``sigmas`` and ``flip_pairs`` are
    those of a skeleton YAML; COCO's own files have neither.
    """
    joints = tuple(str(name) for name in category.get("keypoints", ()))
    known = shipped_skeleton(joints)
    if known is not None:
        return known
    limbs = [[int(a) - 1, int(b) - 1] for a, b in category.get("skeleton", ())]
    entry = {"name": category.get("name", "custom"), "joints": joints, "limbs": limbs}
    entry |= {key: category[key] for key in ("sigmas", "flip_pairs") if key in category}
    return skeleton_from_dict(entry, source)


def _upper_body(joints: tuple[str, ...]) -> list[int]:
    """Return the joints that no part of a leg is named for; the first half where none is."""
    upper = [k for k, joint in enumerate(joints) if not any(p in joint.lower() for p in _LEGS)]
    return upper if len(upper) < len(joints) else list(range((len(joints) + 1) // 2))


def _pairs(values: Any, joints: tuple[str, ...], source: str) -> tuple[tuple[int, int], ...]:
    """Return pairs of joint numbers; an entry may name joints instead.

    Raises:
        DataError: it is no pair, or a name is none of the joints.
    """
    if not isinstance(values, list | tuple):
        raise DataError(f"{source}: {values!r:.60} is not a list of pairs of joints.")
    pairs = []
    for value in values:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise DataError(f"{source}: {value!r:.60} is not a pair of joints.")
        a, b = _places(value, joints, source)
        pairs.append((a, b))
    return tuple(pairs)


def _places(values: Any, joints: tuple[str, ...], source: str) -> tuple[int, ...]:
    """Return joint numbers; an entry may name the joint instead.

    Raises:
        DataError: it is no list, or an entry is neither a whole number nor a joint's name.
    """
    try:
        return tuple(joints.index(v) if isinstance(v, str) else int(v) for v in values)
    except (TypeError, ValueError, OverflowError):
        listed = ", ".join(joints)
        kind = "two" if isinstance(values, list | tuple) and len(values) == 2 else "some"
        raise DataError(
            f"{source}: {values!r:.60} does not name {kind} of the joints {listed}."
        ) from None
