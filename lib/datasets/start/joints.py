"""A skeleton YAML for a data set: joints, mirror pairs, limbs, and how far to trust each sigma."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lib.annotations.categories import PEOPLE
from lib.structures.skeleton import DEFAULT_SIGMA, SKELETON_FOLDER, Skeleton, load_skeleton
from lib.structures.union import joint_name

ASSUMED = "assumed, nobody has measured it"
FIRST = ("coco", "halpe26", "crowdpose")  # sigmas that were measured, or follow measured ones
HEAD = """# Joints of {name}, written by tools/data/init.py: look it through.
# flip_pairs swap in a mirrored picture; limbs are for drawing; sigmas are how far annotators differ
# (COCO's measure, a share of the square root of a person's area), and scores depend on them:
# tools/data/sigmas.py measures them from repeated annotations.
"""


@dataclass(frozen=True)
class KnownJoints:
    """A skeleton with what stands behind its sigmas.

    Attributes:
        skeleton: the joints.
        sources: K, where each sigma is from, in words.
    """

    skeleton: Skeleton
    sources: tuple[str, ...]

    @property
    def assumed(self) -> list[str]:
        """Joints whose spread nobody has measured."""
        names = self.skeleton.joints
        return [j for j, source in zip(names, self.sources, strict=True) if source == ASSUMED]


def known_joints(skeleton: Skeleton, category: str) -> KnownJoints:
    """Return a skeleton with what other data sets know of joints of the same names.

    Only people are looked up: a dog's hip is not annotated as a person's.
    """
    own = any(sigma != DEFAULT_SIGMA for sigma in skeleton.sigmas)
    people = category.casefold() in (*PEOPLE, "figure", "man", "woman", "body")
    found = _published() if people else {}
    sigmas, sources = [], []
    for joint, sigma in zip(skeleton.joints, skeleton.sigmas, strict=True):
        known = found.get(joint_name(joint))
        if own:
            sources.append(ASSUMED if sigma == DEFAULT_SIGMA else "measured, in the file")
            sigmas.append(sigma)
        elif known is not None:
            sigmas.append(known[0])
            sources.append(f"measured, of {known[1]}'s joint of this name")
        else:
            sigmas.append(DEFAULT_SIGMA)
            sources.append(ASSUMED)
    limbs = skeleton.limbs or _limbs_by_name(skeleton)
    return KnownJoints(replace(skeleton, sigmas=tuple(sigmas), limbs=limbs), tuple(sources))


def skeleton_yaml(known: KnownJoints, name: str) -> str:
    """Return the text of a skeleton YAML."""
    skeleton = known.skeleton
    names = [_quoted(joint) for joint in skeleton.joints]
    pairs, limbs = (
        ", ".join(f"[{names[a]}, {names[b]}]" for a, b in found)
        for found in (skeleton.flip_pairs, skeleton.limbs)
    )
    lines = [
        f"name: {_quoted(name)}",
        f"joints: [{', '.join(names)}]",
        f"flip_pairs: [{pairs}]" + "  # none are known: is there left and right?" * (not pairs),
        f"limbs: [{limbs}]" + "  # none are known: joints are drawn as points" * (not limbs),
        f"upper_body: {list(skeleton.upper_body)}",
        "sigmas:",
    ]
    for joint, sigma, source in zip(names, skeleton.sigmas, known.sources, strict=True):
        lines.append(f"  - {sigma:g}  # {joint}: {source}")
    return HEAD.format(name=name) + "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a text as YAML reads it back, whatever stands in it."""
    plain = text.replace("_", "").replace(" ", "").replace("-", "").isalnum()
    words = ("yes", "no", "on", "off", "true", "false", "null", "y", "n", "")
    if plain and text[0].isalpha() and text.isascii() and text.casefold() not in words:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _published() -> dict[str, tuple[float, str]]:
    """Return sigma and data set of every joint that a shipped skeleton has measured."""
    found: dict[str, tuple[float, str]] = {}
    for name in FIRST:
        skeleton = load_skeleton(name)
        for joint, sigma in zip(skeleton.joints, skeleton.sigmas, strict=True):
            found.setdefault(joint_name(joint), (sigma, {"coco": "COCO"}.get(name, name)))
    return found


def _limbs_by_name(skeleton: Skeleton) -> tuple[tuple[int, int], ...]:
    """Return the limbs that a shipped skeleton draws between joints of these names."""
    place = {joint_name(joint): k for k, joint in enumerate(skeleton.joints)}
    best: tuple[tuple[int, int], ...] = ()
    for file in sorted(SKELETON_FOLDER.glob("*.yaml")):
        shipped = load_skeleton(file.stem)
        ends = [place.get(joint_name(joint)) for joint in shipped.joints]
        limbs = ((ends[a], ends[b]) for a, b in shipped.limbs)
        known = tuple((a, b) for a, b in limbs if a is not None and b is not None)
        best = known if len(known) > len(best) else best
    return best
