"""Where a data set keeps its files, and one way to read the people of any of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lib.datasets.coco import people_to_train_on, read_annotations
from lib.datasets.mpii import read_mpii
from lib.datasets.tables import PersonTable
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
        annotation: a file to use instead of the layout's own.
        images: a folder to use instead of the layout's own.
        data_format: ``zip`` looks for images in ``<folder>.zip``.

    Raises:
        ConfigError: ``dataset`` is not known.
    """
    if dataset not in KINDS:
        raise ConfigError(f"No DATASET.DATASET '{dataset}'.{did_you_mean(dataset, KINDS)}")
    kind, base = KINDS[dataset], Path(root)
    is_test = kind == "coco" and "test" in split
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
        annotation=Path(annotation) if annotation else file,
        images=f"{Path(images) if images else folder}{separator}",
        has_truth=not is_test,
    )


def source_skeleton(source: Source, choice: str) -> Skeleton | None:
    """Return the skeleton of ``DATASET.SKELETON`` or of the kind; None asks the file."""
    if choice:
        return load_skeleton(choice)
    return None if source.kind == "coco" else load_skeleton(source.kind)


def read_people(source: Source, skeleton: Skeleton | None) -> tuple[PersonTable, Skeleton]:
    """Return the people a top-down model trains on or is shown, and their skeleton."""
    if source.kind == "mpii":
        return read_mpii(source.annotation, source.images), skeleton or load_skeleton("mpii")
    annotations = read_annotations(
        source.annotation, source.images, skeleton, images_only=not source.has_truth
    )
    return people_to_train_on(annotations), annotations.skeleton
