"""Where a data set keeps its files, and one way to read the people of any of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lib.annotations.form import Annotations, join_annotations
from lib.annotations.mpii import read_mpii
from lib.annotations.reading import ReadOptions, read_annotations
from lib.annotations.tables import PersonTable
from lib.datasets.selection import people_to_train_on
from lib.structures.skeleton import Skeleton, load_skeleton
from lib.utils.errors import ConfigError, did_you_mean

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
        category: what people are (``DATASET.CATEGORY``), see ``choose_category``.
        annotation_key: the configuration key that leads to ``annotation``.
        images_key: the one that leads to ``images``.
    """

    kind: str
    annotation: Path
    images: str
    has_truth: bool
    category: str = ""
    annotation_key: str = "DATASET.ROOT"
    images_key: str = "DATASET.ROOT"


def locate(
    dataset: str,
    root: str,
    split: str,
    *,
    annotation: str = "",
    images: str = "",
    data_format: str = "jpg",
    category: str = "",
    ending: str = "",
) -> Source:
    """Return the files of ``split`` in the layout of ``dataset`` below ``root``.

    Args:
        dataset: DATASET.DATASET, one of ``KINDS``.
        root: DATASET.ROOT.
        split: DATASET.TRAIN_SET or TEST_SET, such as ``val2017``.
        annotation: a file to use instead of the layout's own; if it is not there, below ``root``.
        images: a folder to use instead of the layout's own, likewise.
        data_format: ``zip`` looks for images in ``<folder>.zip``.
        category: DATASET.CATEGORY.
        ending: of the keys of this split, ``_TEST`` for the test split, for messages.

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
        category=category,
        annotation_key=f"DATASET.ANNOTATION{ending}" if annotation else "DATASET.ROOT",
        images_key=f"DATASET.IMAGES{ending}" if images else "DATASET.ROOT",
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
        people = read_mpii(source.annotation, source.images, _advice(source))
        return people, skeleton or load_skeleton("mpii")
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
    options = ReadOptions(
        category=source.category,
        outlines=with_segmentation,
        images_only=not source.has_truth,
        advice=_advice(source),
    )
    return join_annotations(
        [read_annotations(part, source.images, skeleton, options) for part in files]
    )


def _advice(source: Source) -> str:
    """Return what to mend where the annotation file is not there."""
    by_layout = source.annotation_key == "DATASET.ROOT"
    return f"check {source.annotation_key}" + " and the set's name" * by_layout
