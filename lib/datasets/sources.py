"""Where a data set keeps its files, and one way to read the people of any of them.

A data set in a format of its own gets a reader, in a module of the user's (``IMPORTS``)::

    @LAYOUTS.register("joint_table")
    @reader(annotation="labels/{split}.csv", images="pictures")
    def joint_table(file: Path) -> dict[str, Any]: ...

It returns what a COCO file of the same people would say; that is checked like any file. Then
``DATASET.DATASET: joint_table`` is trained on, tested on and looked at like the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lib.annotations.form import Annotations, join_annotations
from lib.annotations.mpii import read_mpii
from lib.annotations.reading import ReadOptions, read_annotations, read_content
from lib.annotations.tables import PersonTable
from lib.annotations.wholebody import JOINTS as WHOLE_BODY_JOINTS
from lib.annotations.wholebody import join_parts
from lib.datasets.selection import people_to_train_on
from lib.structures.skeleton import Skeleton, load_skeleton
from lib.utils.errors import ConfigError
from lib.utils.registry import Registry

Read = Callable[[Path], dict[str, Any]]


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps its files, below its root.

    Attributes:
        kind: coco, mpii, crowdpose or wholebody: how its files are read and scored.
        annotation: file of the split ``{split}``.
        images: folder of its images.
        read: annotation file -> what a COCO file would say; None reads files of its kind.
    """

    kind: str
    annotation: str
    images: str
    read: Read | None = None


def reader(*, annotation: str, images: str, kind: str = "coco") -> Callable[[Read], Layout]:
    """Return a decorator that makes a ``Layout`` of a function; arguments as its attributes.

    Both paths stand below ``DATASET.ROOT``, and ``{split}`` in them for the name of the set.
    """
    return lambda read: Layout(kind, annotation, images, read)


COCO = Layout("coco", "annotations/person_keypoints_{split}.json", "images/{split}")
CROWDPOSE = Layout("crowdpose", "json/crowdpose_{split}.json", "images")
# COCO-WholeBody's splits are named as COCO's; its files are not.
WHOLEBODY = Layout("wholebody", "annotations/coco_wholebody_{part}_v1.0.json", "images/{split}")
LAYOUTS: Registry[Layout] = Registry(
    "DATASET.DATASET",
    Layout,
    ": write @reader(annotation=..., images=...) between name and function",
)
for _name, _layout in {
    "coco": COCO,
    "coco_kpt": COCO,
    "custom": COCO,
    "mpii": Layout("mpii", "annot/{split}.json", "images"),
    "crowd_pose": CROWDPOSE,
    "crowd_pose_kpt": CROWDPOSE,
    "crowdpose": CROWDPOSE,
    "coco_wholebody": WHOLEBODY,
    "wholebody": WHOLEBODY,
    "ochuman": Layout(
        "coco", "annotations/ochuman_coco_format_{split}_range_0.00_1.00.json", "images"
    ),
    # Its file names start with the data set's own folder.
    "humanart": Layout("coco", "annotations/{split}_humanart.json", ".."),
    "ap10k": Layout("coco", "annotations/ap10k-{split}.json", "data"),
}.items():
    LAYOUTS.register(_name)(_layout)

COCO_TEST_SETS = ("test2017", "test-dev2017")  # their annotation files list images only


@dataclass(frozen=True)
class Source:
    """The files of one split.

    Attributes:
        kind: coco (also any custom set in COCO format), mpii, crowdpose or wholebody.
        annotation: the annotation file.
        images: what stands before image names, with its separator (``/`` or ``.zip@``).
        has_truth: false for COCO's test sets, whose annotation files list images only.
        category: what people are (``DATASET.CATEGORY``), see ``choose_category``.
        annotation_key: the configuration key that leads to ``annotation``.
        images_key: the one that leads to ``images``.
        read: as that of ``Layout``.
    """

    kind: str
    annotation: Path
    images: str
    has_truth: bool
    category: str = ""
    annotation_key: str = "DATASET.ROOT"
    images_key: str = "DATASET.ROOT"
    read: Read | None = None

    @property
    def files(self) -> list[Path]:
        """The annotation file, or those that are read as one in its place.

        CrowdPose is trained on ``trainval``, which is not published as a file: where there is none,
        those of ``train`` and ``val`` beside it are joined.
        """
        file = self.annotation
        if self.kind != "crowdpose" or not file.stem.endswith("trainval") or file.is_file():
            return [file]
        stem = file.stem.removesuffix("trainval")
        return [file.with_name(f"{stem}{part}{file.suffix}") for part in ("train", "val")]


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
        dataset: DATASET.DATASET, one of ``LAYOUTS``.
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
    layout, base = LAYOUTS[dataset], Path(root)
    is_test = layout == COCO and split in COCO_TEST_SETS and not annotation
    names = {"split": split, "part": split.removesuffix("2017")}
    file, folder = (base / p.format(**names) for p in (layout.annotation, layout.images))
    if is_test:
        file = base / "annotations" / f"image_info_{split}.json"
        folder = base / "images" / "test2017"
    separator = ".zip@" if data_format == "zip" else "/"
    return Source(
        kind=layout.kind,
        annotation=_place(annotation, base) if annotation else file,
        images=f"{_place(images, base) if images else folder}{separator}",
        has_truth=not is_test,
        category=category,
        annotation_key=f"DATASET.ANNOTATION{ending}" if annotation else "DATASET.ROOT",
        images_key=f"DATASET.IMAGES{ending}" if images else "DATASET.ROOT",
        read=layout.read,
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
        people = replace(people, images=replace(people.images, key=source.images_key))
        return people, skeleton or load_skeleton("mpii")
    annotations = read_source(source, skeleton)
    return people_to_train_on(annotations), annotations.skeleton


def read_source(
    source: Source, skeleton: Skeleton | None, *, with_segmentation: bool = False
) -> Annotations:
    """Return all annotations of a split in COCO format, of several files joined.

    Raises:
        ConfigError: the data set (MPII) is not in COCO format.
        DataError: see ``read_annotations``.
    """
    if source.kind == "mpii":
        raise ConfigError(
            "MPII annotates one person of an image, not all: it cannot train bottom-up models."
        )
    options = ReadOptions(
        category=source.category,
        outlines=with_segmentation,
        images_only=not source.has_truth,
        advice=_advice(source),
        images_key=source.images_key,
        read=source.read,
    )
    return join_annotations(
        [read_annotations(part, source.images, skeleton, options) for part in source.files]
    )


def source_content(source: Source, skeleton: Skeleton | None = None) -> Any:
    """Return what the annotation file of a split says, in COCO's format, unchecked.

    Args:
        source: files of the split.
        skeleton: joints of the people; those of COCO-WholeBody stand in one list then.

    Raises:
        DataError: it is missing, or cannot be read.
    """
    content = read_content(source.annotation, _advice(source), source.read)
    whole = skeleton is not None and skeleton.num_joints == WHOLE_BODY_JOINTS
    return join_parts(content) if whole else content


def _advice(source: Source) -> str:
    """Return what to mend where the annotation file is not there."""
    by_layout = source.annotation_key == "DATASET.ROOT"
    return f"check {source.annotation_key}" + " and the set's name" * by_layout
