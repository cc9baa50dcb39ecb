"""Forms by name: readers, writers, and the way from a path to a checked data set."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from lib.datasets.formats.detection import detect, file_in
from lib.datasets.formats.labels import LabelSet, ReadSettings, check_labels
from lib.utils.errors import ConfigError, DataError, did_you_mean
from lib.utils.files import fault_in

# Modules of this package; each imports what only its format needs.
READERS = {
    "coco": "coco",
    "yolo": "yolo",
    "labelstudio": "labelstudio",
    "cvat": "cvat",
    "deeplabcut": "deeplabcut",
    "sleap": "sleap",
    "results": "results",
}
WRITERS = {
    "coco": "coco",
    "yolo": "yolo_writer",
    "labelstudio": "labelstudio_writer",
    "cvat": "cvat_writer",
}


@dataclass(frozen=True)
class WriteSettings:
    """How a data set is written.

    Attributes:
        pictures: ``copy``, ``link`` or ``none``; of use where a format keeps them in its folder.
    """

    pictures: str = "copy"


def read_labels(path: str | Path, kind: str = "", settings: ReadSettings | None = None) -> LabelSet:
    """Read labelled pictures of any known format.

    Args:
        path: file or folder.
        kind: its format, one of ``READERS``; empty looks at it.
        settings: what the user says about it.

    Raises:
        DataError: it is not there, of no known format, or says what has no meaning.
        ConfigError: there is no such format.
    """
    settings = settings or ReadSettings()
    place = Path(path)
    if not place.exists():
        raise DataError(f"There is no {place}{fault_in(place)}; check the path.")
    if kind and kind not in READERS:
        raise ConfigError(f"No format '{kind}' can be read.{did_you_mean(kind, READERS)}")
    chosen = kind or detect(place)
    if not chosen:
        place = file_in(place)
        chosen = detect(place)
    if chosen not in READERS:
        raise DataError(f"{path} seems to be of {chosen}, which cannot be read.")
    raw = import_module(f"lib.datasets.formats.{READERS[chosen]}").read(place, settings)
    return check_labels(raw, settings)


def write_labels(
    labels: LabelSet, kind: str, out: str | Path, settings: WriteSettings | None = None
) -> list[Path]:
    """Write a data set in another format; return the files that say what it is.

    Raises:
        ConfigError: there is no such format.
    """
    if kind not in WRITERS:
        raise ConfigError(f"No format '{kind}' can be written.{did_you_mean(kind, WRITERS)}")
    module = import_module(f"lib.datasets.formats.{WRITERS[kind]}")
    return module.write(labels, Path(out), settings or WriteSettings())


def describe(labels: LabelSet) -> str:
    """Return what was read, in words."""
    crowds = sum(person["iscrowd"] for person in labels.people)
    jointed = sum(person["num_keypoints"] > 0 for person in labels.people)
    marks = Counter(mark for person in labels.people for mark in person["keypoints"][2::3])
    splits = Counter(image.get("split") or "no split" for image in labels.images)
    lines = [
        f"{labels.path} ({labels.kind}): {len(labels.images)} pictures in {labels.folder} "
        f"({', '.join(f'{count} {name}' for name, count in splits.items())})",
        f"  {len(labels.people)} annotations ({', '.join(e['name'] for e in labels.categories)}), "
        f"{jointed} with joints, {crowds} crowds",
        f"  {labels.skeleton.num_joints} joints: {', '.join(labels.skeleton.joints)}",
        f"  joints visible {marks[2.0]}, occluded {marks[1.0]}, not labelled {marks[0.0]}",
    ]
    notes = [*labels.notes, *_absent(labels)]
    return "\n".join([*lines, *(f"  note: {note}" for note in notes)])


def _absent(labels: LabelSet) -> list[str]:
    """Return a note if pictures are not where they are taken to be."""
    names = [image["file_name"] for image in labels.images]
    gone = [name for name in names if not (labels.folder / name).is_file()]
    if not gone:
        return []
    return [
        f"{len(gone)} of {len(names)} pictures are not below {labels.folder} ({gone[0]} ...): "
        "--images names the folder that their names count from"
    ]
