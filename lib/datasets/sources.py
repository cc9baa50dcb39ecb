"""Where a data set keeps its files, and one way to read the people of any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lib.annotations.mpii import read_mpii
from lib.annotations.reading import (
    Annotations,
    read_annotations,
)
from lib.annotations.tables import ImageTable, PersonTable, join_people
from lib.datasets.selection import people_to_train_on
from lib.structures.skeleton import Skeleton, load_skeleton
from lib.utils.errors import ConfigError, DataError, did_you_mean

# Names that YAML files use -> the kind of data set.
KINDS = {
    "coco": "coco",
    "coco_kpt": "coco",
    "custom": "coco",
    "mpii": "mpii",
    "crowd_pose": "crowdpose",
    "crowd_pose_kpt": "crowdpose",
    "crowdpose": "crowdpose",
}

COCO_TEST_SETS = ("test2017", "test-dev2017")  # their annotation files list images only


@dataclass(frozen=True)
class Source:
    """The files of one split.

    Attributes:
        kind: coco (also any custom set in COCO format), mpii or crowdpose.
        annotation: the annotation file.
        images: what stands before image names, with its separator (``/`` or ``.zip@``).
        has_truth: false for COCO's test sets, whose annotation files list images only.
    """

    kind: str
    annotation: Path
    images: str
    has_truth: bool


def locate(
    dataset: str,
    root: str,
    split: str,
    *,
    annotation: str = "",
    images: str = "",
    data_format: str = "jpg",
) -> Source:
    """Return the files of ``split`` in the layout of ``dataset`` below ``root``.

    Args:
        dataset: DATASET.DATASET, one of ``KINDS``.
        root: DATASET.ROOT.
        split: DATASET.TRAIN_SET or TEST_SET, such as ``val2017``.
        annotation: a file to use instead of the layout's own; if it is not there, below ``root``.
        images: a folder to use instead of the layout's own, likewise.
        data_format: ``zip`` looks for images in ``<folder>.zip``.

    Raises:
        ConfigError: ``dataset`` is not known.
    """
    if dataset not in KINDS:
        raise ConfigError(f"No DATASET.DATASET '{dataset}'.{did_you_mean(dataset, KINDS)}")
    kind, base = KINDS[dataset], Path(root)
    is_test = kind == "coco" and split in COCO_TEST_SETS and not annotation
    if kind == "coco":
        prefix = "image_info" if is_test else "person_keypoints"
        file = base / "annotations" / f"{prefix}_{split}.json"
        folder = base / "images" / ("test2017" if is_test else split)
    elif kind == "mpii":
        file, folder = base / "annot" / f"{split}.json", base / "images"
    else:
        file, folder = base / "json" / f"crowdpose_{split}.json", base / "images"
    separator = ".zip@" if data_format == "zip" else "/"
    return Source(
        kind=kind,
        annotation=_place(annotation, base) if annotation else file,
        images=f"{_place(images, base) if images else folder}{separator}",
        has_truth=not is_test,
    )


def _place(given: str, root: Path) -> Path:
    """Return a path as given; if nothing is there, but below the data set's folder, that one."""
    path = Path(given)
    return root / path if not path.exists() and (root / path).exists() else path


def source_skeleton(source: Source, choice: str) -> Skeleton | None:
    """Return the skeleton of ``DATASET.SKELETON`` or of the kind; None asks the file."""
    if choice:
        return load_skeleton(choice)
    return None if source.kind == "coco" else load_skeleton(source.kind)


def read_people(source: Source, skeleton: Skeleton | None) -> tuple[PersonTable, Skeleton]:
    """Return the people a top-down model trains on or is shown, and their skeleton."""
    if source.kind == "mpii":
        return read_mpii(source.annotation, source.images), skeleton or load_skeleton("mpii")
    annotations = read_source(source, skeleton)
    return people_to_train_on(annotations), annotations.skeleton


def read_source(
    source: Source, skeleton: Skeleton | None, *, with_segmentation: bool = False
) -> Annotations:
    """Return all annotations of a split in COCO format.

    CrowdPose is trained on ``trainval``, which is not published as a file: where there is none,
    those of ``train`` and ``val`` beside it are read as one.

    Raises:
        ConfigError: the data set (MPII) is not in COCO format.
        DataError: see ``read_annotations``.
    """
    if source.kind == "mpii":
        raise ConfigError(
            "MPII annotates one person of an image, not all: it cannot train bottom-up models."
        )
    file = source.annotation
    files = [file]
    if source.kind == "crowdpose" and file.stem.endswith("trainval") and not file.is_file():
        stem = file.stem.removesuffix("trainval")
        files = [file.with_name(f"{stem}{part}{file.suffix}") for part in ("train", "val")]
    return join_annotations(
        [
            read_annotations(
                part,
                source.images,
                skeleton,
                with_segmentation=with_segmentation,
                images_only=not source.has_truth,
            )
            for part in files
        ]
    )


def join_annotations(parts: Sequence[Annotations]) -> Annotations:
    """Return the annotations of several files on the same images folder as those of one.

    Raises:
        DataError: an image is listed by two of them, or their skeletons differ.
    """
    if len(parts) == 1:
        return parts[0]
    tables = [part.people.images for part in parts]
    ids = np.concatenate([table.ids for table in tables])
    if len(np.unique(ids)) < len(ids):
        raise DataError("Two of the joined files list the same image.")
    if any(part.skeleton != parts[0].skeleton for part in parts):
        raise DataError("The joined files annotate different joints.")
    starts = np.cumsum([0, *(len(table) for table in tables)])
    images = ImageTable(
        tables[0].folder,
        np.concatenate([table.files for table in tables]),
        ids,
        np.concatenate([table.sizes for table in tables]),
    )
    moved = [
        replace(part.people, image_index=part.people.image_index + np.int32(start))
        for part, start in zip(parts, starts, strict=False)
    ]
    return Annotations(
        people=join_people(moved, images),
        is_crowd=np.concatenate([part.is_crowd for part in parts]),
        num_keypoints=np.concatenate([part.num_keypoints for part in parts]),
        segmentations=np.concatenate([part.segmentations for part in parts]),
        skeleton=parts[0].skeleton,
    )
