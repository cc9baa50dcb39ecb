"""COCO annotation files (Lin et al. 2014) -> ``Annotations``; the only reader of them.

What has one meaning is repaired, and said in a line; what has not is refused in a sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from lib.annotations.categories import COCO_PERSON, choose_category
from lib.annotations.columns import Rows, column, require_rows
from lib.annotations.decisions import Decisions
from lib.annotations.form import Annotations
from lib.annotations.images import read_image_table
from lib.annotations.people import read_people
from lib.annotations.skeletons import file_skeleton, unnamed_skeleton
from lib.annotations.wholebody import JOINTS as WHOLE_BODY_JOINTS
from lib.annotations.wholebody import join_parts
from lib.structures.skeleton import Skeleton, load_skeleton
from lib.utils.errors import DataError, UserError
from lib.utils.files import fault_in, read_json
from lib.utils.plugins import failure

ADVICE = "check DATASET.ROOT and the set's name"


@dataclass(frozen=True)
class ReadOptions:
    """What is needed of an annotation file.

    Attributes:
        category: what people are (``DATASET.CATEGORY``), see ``choose_category``.
        outlines: keep the outlines (bottom-up needs them for its masks).
        images_only: the file may lack annotations, as those of COCO's test sets do.
        for_scores: no pictures are needed: images may lack names and sizes; and joints may lack
            names, see `unnamed_skeleton`. Several categories are scored each alone, as COCO does.
        num_joints: how many joints without names there are; 0 counts those of the annotations.
        advice: what to do if the file is not there.
        images_key: configuration key that leads to the pictures.
        name: of a content that comes without its file, for messages.
        read: makes the content of a COCO file of a file in another format; None reads JSON.
    """

    category: str = ""
    outlines: bool = False
    images_only: bool = False
    for_scores: bool = False
    num_joints: int = 0
    advice: str = ADVICE
    images_key: str = ""
    name: str = "the ground truth"
    read: Callable[[Path], dict[str, Any]] | None = None


_in_use: WeakValueDictionary[Any, Annotations] = WeakValueDictionary()


def read_annotations(
    source: str | Path | dict[str, Any],
    image_folder: str = "",
    skeleton: Skeleton | None = None,
    options: ReadOptions = ReadOptions(),
) -> Annotations:
    """Read a COCO keypoint file, or return what was read of it and is still in use.

    Args:
        source: the annotation file, or its content.
        image_folder: what stands before file names, with its separator.
        skeleton: joints of the data set; None takes those of the file's ``categories``.
        options: what is needed of it.

    Raises:
        DataError: the file is missing, not JSON, lacks keys, or says what has no meaning.
    """
    if isinstance(source, dict):
        return _read(source, options.name, image_folder, skeleton, options)
    key = _file_key(source, image_folder, skeleton, options)
    found = _in_use.get(key)
    if found is None:
        content = read_content(source, options.advice, options.read)
        found = _in_use[key] = _read(content, str(source), image_folder, skeleton, options)
    return found


def read_content(
    file: str | Path,
    advice: str = ADVICE,
    read: Callable[[Path], dict[str, Any]] | None = None,
) -> Any:
    """Return what an annotation file says, in COCO's format, unchecked.

    Args:
        file: the annotation file.
        advice: what to do if it is not there.
        read: as that of ``ReadOptions``.

    Raises:
        DataError: it is missing, or cannot be read.
    """
    if read is None:
        return read_json(file, "annotation", advice)
    path = Path(file)
    if not path.is_file():
        raise DataError(f"No annotation file {path}{fault_in(path)}; {advice}.")
    try:
        return read(path)
    except UserError:
        raise
    except Exception as error:  # a user's code may raise anything
        raise DataError(f"{path} cannot be read: {failure(error, read)}.") from error


def annotation_kind(path: str | Path) -> str:
    """Return whether a file is in the format of ``coco``, ``crowdpose`` or ``mpii``.

    Raises:
        DataError: it is missing, not JSON, or of none of these formats.
    """
    content = read_json(path, "annotation")
    if isinstance(content, list) and all(
        isinstance(row, dict) and "center" in row for row in content
    ):
        return "mpii"
    content = _check_content(content, str(path), ReadOptions(images_only=True))
    return "crowdpose" if any("crowdIndex" in image for image in content["images"]) else "coco"


def _file_key(
    source: str | Path, image_folder: str, skeleton: Skeleton | None, options: ReadOptions
) -> Any:
    """Return what tells one reading of a file from another."""
    file = Path(source)
    stamp = (file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None
    return str(file), stamp, image_folder, skeleton, options


def _read(
    content: Any, path: str, image_folder: str, skeleton: Skeleton | None, options: ReadOptions
) -> Annotations:
    decisions = Decisions(path)
    content = _check_content(content, path, options)
    if skeleton is not None and skeleton.num_joints == WHOLE_BODY_JOINTS:
        content = join_parts(content)
    entries, has_truth = content["images"], "annotations" in content
    images = read_image_table(entries, image_folder, decisions, pictures=not options.for_scores)
    images = replace(images, key=options.images_key)
    if has_truth:
        category, rows = choose_category(
            content, options.category, decisions, pooled=not options.for_scores
        )
    else:
        category, rows, skeleton = COCO_PERSON, [], skeleton or load_skeleton("coco")
    if options.for_scores and skeleton is None and not category.joints:
        skeleton = unnamed_skeleton(rows, path, options.num_joints)
    if options.images_only and not rows and not category.joints:  # a list of pictures
        skeleton = skeleton or load_skeleton("coco")
    skeleton = file_skeleton(category, skeleton, decisions)
    found = read_people(
        rows,
        images,
        skeleton,
        category,
        decisions,
        with_outlines=options.outlines,
        for_scores=options.for_scores,
    )
    decisions.log()
    return replace(
        found,
        crowd_index=_crowd_index(entries, decisions),
        has_truth=has_truth,
        decisions=tuple(decisions.all),
    )


def _check_content(content: Any, path: str, options: ReadOptions) -> dict[str, Any]:
    """Return the content; refuse what is no COCO annotation file.

    Raises:
        DataError: with what it seems to be.
    """
    if isinstance(content, list) and content and isinstance(content[0], dict):
        kind = "MPII's format" if "joints" in content[0] else "a list of results"
        raise DataError(f"{path} must hold 'images' and 'annotations', and is {kind}.")
    wanted = {"images"} if options.images_only or options.for_scores else {"images", "annotations"}
    if not isinstance(content, dict) or not wanted <= content.keys():
        raise DataError(f"{path} must hold 'images' and 'annotations', as COCO's files do.")
    for key in ("images", "annotations"):
        require_rows(content.get(key, []), key, path)
    return content


def _crowd_index(rows: Rows, decisions: Decisions) -> np.ndarray:
    if not any("crowdIndex" in row for row in rows):
        return np.full(len(rows), np.nan)
    return column(rows, "crowdIndex", np.float64, decisions)
