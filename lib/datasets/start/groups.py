"""Pictures that must stay on one side of a split: of a video, of a person, almost the same.

A network that has seen a frame of a video recognises the next one; its score on that says nothing
about videos that it has not seen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from lib.datasets.formats.coco import split_of
from lib.datasets.formats.labels import LabelSet

THUMB = 16  # pixels a side of the small grey pictures that are compared
NEXT_ALIKE = 0.97  # correlation of neighbours by name that are frames of one scene
SAME = 0.995  # correlation of any two pictures that are the same
MOST_COMPARED = 20_000  # pictures that are compared each with each
BLOCK = 2_000  # rows of a comparison, to keep memory small
LARGEST = 0.9  # share of all pictures: names that put more into one group tell little
# Words that cameras and tools put in front of numbers, which tell neither video nor person.
PLAIN = {
    "", "img", "image", "images", "dsc", "dscn", "dscf", "frame", "frames", "pic", "picture",
    "photo", "pxl", "im", "screenshot", "train", "val", "valid", "test", "data", "labels",
}  # fmt: skip
PEOPLE = "subject|subj|person|participant|actor|player|athlete|patient|performer|pid"
_PERSON = re.compile(rf"(?:^|[^a-z0-9])(?:{PEOPLE})[-_ ]?([a-z]?\d+)(?![a-z0-9])", re.IGNORECASE)
_HASH = re.compile(r"(_(jpe?g|png))?\.rf\.[0-9a-f]+$", re.IGNORECASE)  # as Roboflow adds it


@dataclass(frozen=True)
class Groups:
    """Which pictures belong together.

    Attributes:
        of: (I,) int64, number of each picture's group, from 0.
        reasons: what told, with counts, in words.
    """

    of: np.ndarray
    reasons: tuple[str, ...]

    @property
    def sizes(self) -> np.ndarray:
        """(G,) pictures of each group."""
        return np.bincount(self.of)


class _Union:
    """Sets of pictures that are joined step by step."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))

    def find(self, n: int) -> int:
        while self.parent[n] != n:
            self.parent[n] = self.parent[self.parent[n]]
            n = self.parent[n]
        return n

    def join(self, a: int, b: int) -> None:
        self.parent[self.find(a)] = self.find(b)

    def join_equal(self, keys: Iterable[Hashable | None]) -> int:
        """Join pictures with the same key; return how many keys there are."""
        first: dict[Hashable, int] = {}
        for n, key in enumerate(keys):
            if key is not None:
                self.join(n, first.setdefault(key, n))
        return len(first)

    def numbers(self) -> np.ndarray:
        return np.unique([self.find(n) for n in range(len(self.parent))], return_inverse=True)[1]


def group_pictures(labels: LabelSet, *, look: bool = True) -> Groups:
    """Return which pictures belong together.

    By what the file says (videos, tracks of people), by folders and names, and by the pixels:
    neighbours by name that hardly differ, and pictures that are the same.

    Args:
        labels: the data set.
        look: compare the pictures themselves, too.
    """
    names = [image["file_name"] for image in labels.images]
    union, reasons = _Union(len(names)), []
    sequences = union.join_equal(image.get("sequence") for image in labels.images)
    if sequences:
        reasons.append(f"the file names {sequences} videos")
    tracks = _join_tracks(labels, union)
    if tracks:
        reasons.append(f"the file follows {tracks} people from picture to picture")
    people = union.join_equal(_person_of(name) for name in names)
    if 0 < people < len(names):
        reasons.append(f"names number {people} people")
    found = name_groups(names)
    if found is not None:
        keys, what = found
        reasons.append(f"{what} tell {union.join_equal(keys)} groups")
    if look:
        reasons += _join_alike(names, labels.folder, union)
    return Groups(union.numbers(), tuple(reasons))


def name_groups(names: Sequence[str]) -> tuple[list[str], str] | None:
    """Return the group that folders or names put each picture into, the coarsest that tells any.

    ``anna/walk_001.jpg``, ``anna_walk_001.jpg`` and ``anna-7.jpg`` are all of ``anna``. None where
    names tell nothing, as numbers do.
    """
    keys = [_words_of(name) for name in names]
    depth = max(map(len, keys), default=0)
    for level in range(1, depth + 1):
        heads = ["/".join(key[:level]) for key in keys]
        counts = Counter(heads)
        if len(counts) > 1 and max(counts.values()) <= LARGEST * len(names):
            by_folder = all(len(PurePosixPath(name).parts) > 1 for name in names)
            return heads, "folders and names" if by_folder else "names"
    return None


def _words_of(name: str) -> list[str]:
    """Return the words of a name that may tell a group: folders, then the name's without numbers.

    The last number is the picture's own; earlier ones belong to words (``video3``).
    """
    path = PurePosixPath(name)
    folders = [part for part in path.parts[:-1] if part.lower() not in PLAIN and part != ".."]
    folders = [part for part in folders if not split_of(part)]
    stem = re.sub(r"[\W_]*\d+[\W_]*$", "", _HASH.sub("", path.stem))
    words = [word for word in re.split(r"[\W_]+", stem) if word and word.lower() not in PLAIN]
    return [*folders, *words]


def _person_of(name: str) -> str | None:
    found = _PERSON.search(name)
    return found[1].lower() if found else None


def _join_tracks(labels: LabelSet, union: _Union) -> int:
    place = {image["id"]: n for n, image in enumerate(labels.images)}
    first: dict[Hashable, int] = {}
    for person in labels.people:
        if person.get("track_id") is not None:
            n = place[person["image_id"]]
            # Tracks of two videos may have the same number.
            key = (labels.images[n].get("sequence"), str(person["track_id"]))
            union.join(n, first.setdefault(key, n))
    return len(first)


def _join_alike(names: Sequence[str], folder: Path, union: _Union) -> list[str]:
    thumbs = np.stack([_thumb(folder / name) for name in names])
    order = sorted(range(len(names)), key=lambda n: _natural(names[n]))
    ordered = thumbs[order]
    near = np.einsum("ij,ij->i", ordered[:-1], ordered[1:]) >= NEXT_ALIKE
    near &= np.array([_parent(names[a]) == _parent(names[b]) for a, b in pairwise(order)], bool)
    for place in np.flatnonzero(near):
        union.join(order[place], order[place + 1])
    reasons = [f"{near.sum()} pictures are almost the one before"] if near.any() else []
    if len(names) > MOST_COMPARED:
        return [*reasons, "too many pictures to compare each with each"]
    same = 0
    for start in range(0, len(names), BLOCK):
        alike = np.triu(thumbs[start : start + BLOCK] @ thumbs.T >= SAME, start + 1)
        for row, column in np.argwhere(alike):
            union.join(start + int(row), int(column))
            same += 1
    return [*reasons, f"{same} pairs of pictures are the same"] if same else reasons


def _parent(name: str) -> str:
    return str(PurePosixPath(name).parent)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers by value: ``f9`` before ``f10``."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _thumb(path: Path) -> np.ndarray:
    """Return (THUMB * THUMB,) float32 of length 1: small, grey, without mean and contrast.

    Zeros for a picture of one grey, or that cannot be read: those are like nothing.
    """
    try:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_4) if len(data) else None
    except (OSError, cv2.error):
        image = None
    if image is None:
        return np.zeros(THUMB * THUMB, np.float32)
    small = cv2.resize(image, (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return small.ravel() / length if length > THUMB else np.zeros(THUMB * THUMB, np.float32)
