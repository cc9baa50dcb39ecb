"""What the readers of all formats return, and its check by the one reading of annotations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.categories import PersonCategory
from lib.annotations.form import Annotations
from lib.annotations.reading import ReadOptions, read_annotations
from lib.structures.skeleton import Skeleton
from lib.utils.errors import DataError

Entry = dict[str, Any]
KEPT_OF_IMAGES = ("split", "sequence")
KEPT_OF_PEOPLE = ("track_id", "score", "category_id")


@dataclass(frozen=True)
class ReadSettings:
    """What a user may say about a file.

    Attributes:
        images: folder of the pictures; empty looks for them beside the file.
        skeleton: joints where the file has no names, or another order.
        category: what people are (``DATASET.CATEGORY``).
        truth: annotation file that a result file belongs to.
        joint_score: least confidence of a predicted joint that is written.
        pose_score: least score of a predicted pose.
    """

    images: str = ""
    skeleton: Skeleton | None = None
    category: str = ""
    truth: str = ""
    joint_score: float = 0.2
    pose_score: float = 0.2


@dataclass(frozen=True)
class RawLabels:
    """A data set in COCO's format, as a reader found it, unchecked.

    Attributes:
        kind: of the format.
        path: what was read.
        content: in COCO's format. Images may say their ``split`` and ``sequence``; annotations
            their ``track_id`` and ``score``; categories their ``flip_pairs``.
        folder: what the file names of images are below.
        notes: what the reader had to decide.
        skeleton: joints that the content does not name.
    """

    kind: str
    path: Path
    content: dict[str, Any]
    folder: Path
    notes: tuple[str, ...] = ()
    skeleton: Skeleton | None = None


@dataclass(frozen=True)
class LabelSet:
    """A checked data set, which writers can trust.

    Attributes:
        kind: of the format it was read from.
        path: what was read.
        folder: what the file names of images are below.
        skeleton: the joints.
        categories: COCO's entries ``{id, name}`` of what is labelled with joints.
        images: entries ``{id, file_name, width, height}``, perhaps ``split``, ``sequence``.
        people: entries with all of COCO's keys: floats for ``bbox``, ``area`` and ``keypoints``;
            ``segmentation`` only where there is one; perhaps ``track_id``, ``score``.
        notes: what had to be decided while reading.
        predicted: people are predictions, not annotations.
    """

    kind: str
    path: Path
    folder: Path
    skeleton: Skeleton
    categories: list[Entry]
    images: list[Entry]
    people: list[Entry]
    notes: tuple[str, ...] = ()
    predicted: bool = False

    def people_of_images(self) -> dict[Any, list[Entry]]:
        """Return the people of every image, by its id; images without people included."""
        found: dict[Any, list[Entry]] = {image["id"]: [] for image in self.images}
        for person in self.people:
            found[person["image_id"]].append(person)
        return found

    def splits(self) -> list[str]:
        """Return the names of splits, in the order of the images; '' where images have none."""
        return list(dict.fromkeys(image.get("split", "") for image in self.images))


def check_labels(raw: RawLabels, settings: ReadSettings) -> LabelSet:
    """Return what a reader found as `read_annotations` understands it.

    Raises:
        DataError: it lists no pictures; or see ``read_annotations``.
    """
    content = {"annotations": [], **raw.content}
    if not content["images"]:
        raise DataError(f"{raw.path} lists no pictures.")
    options = ReadOptions(category=settings.category, outlines=True, name=str(raw.path))
    skeleton = settings.skeleton or raw.skeleton
    found = read_annotations(content, f"{raw.folder.as_posix()}/", skeleton, options)
    sentences = [str(d) for d in found.decisions if not d.usual or d.key == "category_id"]
    return LabelSet(
        kind=raw.kind,
        path=raw.path,
        folder=raw.folder,
        skeleton=found.skeleton,
        categories=_categories(content, found.category),
        images=_images(found, content["images"]),
        people=_people(found, content["annotations"]),
        notes=(*raw.notes, *sentences),
        predicted=raw.kind == "results",
    )


def _categories(content: dict[str, Any], category: PersonCategory) -> list[Entry]:
    entries = [e for e in content.get("categories") or () if category.has(e.get("id"))]
    named = [{"id": e["id"], "name": str(e.get("name") or category.name)} for e in entries]
    return named or [{"id": category.id, "name": category.name}]


def _images(found: Annotations, rows: list[Entry]) -> list[Entry]:
    table = found.images
    return [
        {
            "id": table.label(n),
            "file_name": table.files[n].decode(),
            "width": int(table.sizes[n, 0]),
            "height": int(table.sizes[n, 1]),
            **{key: row[key] for key in KEPT_OF_IMAGES if row.get(key)},
        }
        for n, row in enumerate(rows)
    ]


def _people(found: Annotations, rows: list[Entry]) -> list[Entry]:
    by_id = {row.get("id", place + 1): row for place, row in enumerate(rows)}
    places = found.people.image_index.tolist()
    joints = found.triples.reshape(len(places), 3 * found.skeleton.num_joints).tolist()
    people = []
    for n, (place, flat) in enumerate(zip(places, joints, strict=True)):
        label = found.label(n)
        person = {
            "id": label,
            "image_id": found.images.label(place),
            "category_id": found.category.id,
            **{k: v for k, v in by_id[label].items() if k in KEPT_OF_PEOPLE and v is not None},
            "bbox": found.boxes[n].tolist(),
            "area": float(found.areas[n]),
            "iscrowd": int(found.is_crowd[n]),
            "num_keypoints": int(np.count_nonzero(found.triples[n, :, 2])),
            "keypoints": flat,
        }
        if found.segmentations[n] is not None:
            person["segmentation"] = by_id[label].get("segmentation")
        people.append(person)
    return people
