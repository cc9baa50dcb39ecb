"""Skeletons of several data sets as one: joints are the same where their names say so.

Only names decide. Data sets that mean different points by one name (LSP's neck is higher than
others') or the same point by different names (MPII's upper_neck) are told apart, or joined, by
``DATASET.RENAME`` of the set in question: that is the user's choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lib.structures.mirror import mirror_pairs, split_side, torn_joint
from lib.structures.skeleton import Skeleton
from lib.utils.errors import ConfigError, did_you_mean

Renames = Mapping[str, str]  # a set's name of a joint -> the name wanted

# Spellings of one and the same point; sides are written in front by `joint_name`.
SYNONYMS = {
    **dict.fromkeys(("headtop", "top_head", "top_of_head", "head_top"), "head_top"),
    **dict.fromkeys(("upperneck", "upper_neck"), "upper_neck"),
    **dict.fromkeys(("mid_hip", "midhip", "hip_center", "center_hip", "pelvis"), "pelvis"),
}


def joint_name(name: str) -> str:
    """Return the common spelling of a joint's name: ``RAnkle``, ``ankle_r`` -> ``right_ankle``."""
    side, words = split_side(name)
    joined = "_".join(words)
    return f"{side}_{joined}" if side else SYNONYMS.get(joined, joined)


def union_skeleton(parts: Sequence[tuple[Skeleton, Renames]]) -> Skeleton:
    """Return the joints of several skeletons: those of the first, then what each other one adds.

    Sigma, loss weight and half of the body are as in the first skeleton that has the joint; mirror
    pairs and limbs are those of all, and joints that no skeleton has both are paired by name.

    Raises:
        ConfigError: a renamed joint does not exist, two joints of one skeleton get one name, or
            skeletons pair a joint with different mirror images.
    """
    place: dict[str, int] = {}
    sigmas: list[float] = []
    weights: list[float] = []
    flips: dict[tuple[int, int], None] = {}
    limbs: dict[tuple[int, int], None] = {}
    upper: set[int] = set()
    order: dict[int, None] = {}
    for skeleton, renames in parts:
        names = common_names(skeleton, renames)
        for k, joint in enumerate(names):
            if joint not in place:
                place[joint] = len(place)
                sigmas.append(skeleton.sigmas[k])
                weights.append(skeleton.joint_weights[k])
                upper |= {place[joint]} if k in skeleton.upper_body else set()
        new = [place[joint] for joint in names]
        flips |= dict.fromkeys(_pair(new[a], new[b]) for a, b in skeleton.flip_pairs)
        limbs |= dict.fromkeys(_pair(new[a], new[b]) for a, b in skeleton.limbs)
        order |= dict.fromkeys(new[k] for k in skeleton.grouping_order)
    return Skeleton(
        name="mix",
        joints=tuple(place),
        flip_pairs=_mirrored(list(place), list(flips), parts),
        limbs=tuple(limbs),
        upper_body=tuple(sorted(upper)),
        sigmas=tuple(sigmas),
        joint_weights=tuple(weights),
        grouping_order=tuple(order),
    )


def _mirrored(
    joints: list[str], pairs: list[tuple[int, int]], parts: Sequence[tuple[Skeleton, Renames]]
) -> tuple[tuple[int, int], ...]:
    """Return mirror pairs, checked, and those of joints that come from different skeletons."""
    if torn := torn_joint(pairs):
        joint, one, other = (joints[k] for k in torn)
        raise ConfigError(
            f"The sets of DATASET.MIX pair {joint} with {one} and with {other}; it can have one "
            "mirror image only: correct RENAME, or flip_pairs of a skeleton."
        )
    paired = {k for pair in pairs for k in pair}
    sets = [set(common_names(*part)) for part in parts]
    apart = [
        (a, b)
        for a, b in mirror_pairs(joints)
        if not {a, b} & paired and not any({joints[a], joints[b]} <= names for names in sets)
    ]
    return (*pairs, *apart)


def common_names(skeleton: Skeleton, renames: Renames) -> list[str]:
    """Return the common name of each joint of a data set.

    Raises:
        ConfigError: a renamed joint does not exist, or two joints get one name.
    """
    known = {joint_name(joint): joint for joint in skeleton.joints}
    wanted = {}
    for old, new in renames.items():
        if joint_name(old) not in known:
            raise ConfigError(
                f"DATASET.RENAME: {skeleton.name} has no joint {old}."
                f"{did_you_mean(old, skeleton.joints)}"
            )
        wanted[known[joint_name(old)]] = joint_name(str(new))
    names = [wanted.get(joint, joint_name(joint)) for joint in skeleton.joints]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"{skeleton.name} has several joints of the name {', '.join(twice)}; tell them apart "
            "by DATASET.RENAME."
        )
    return names


def joint_places(skeleton: Skeleton, target: Skeleton, renames: Renames) -> np.ndarray:
    """Return (K,) int64: where each joint of a data set stands in ``target``; -1 for nowhere."""
    place = {joint_name(joint): k for k, joint in enumerate(target.joints)}
    return np.array([place.get(name, -1) for name in common_names(skeleton, renames)], np.int64)


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)
