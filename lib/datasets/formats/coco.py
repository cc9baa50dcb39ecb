"""COCO's JSON (Lin et al. 2014), that of COCO-WholeBody and Halpe, and folders of several splits.

Written files hold two keys more than COCO's, which other readers pass over: ``info.images``, the
folder of the pictures seen from the file, and ``categories[..].flip_pairs``, names of joints that
swap in a mirror.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from lib.annotations.wholebody import JOINTS as WHOLE_BODY_JOINTS
from lib.annotations.wholebody import KEYS as WHOLE_BODY_KEYS
from lib.datasets.formats.labels import Entry, LabelSet, RawLabels, ReadSettings
from lib.datasets.formats.pictures import picture_folder, places_near
from lib.structures.skeleton import DEFAULT_SIGMA, Skeleton, load_skeleton, skeleton_from_dict
from lib.utils.errors import DataError
from lib.utils.files import read_json

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
SPLITS |= {"test": "test", "testing": "test", "minival": "val"}
HALPE_JOINTS = 136


def is_coco(content: Any) -> bool:
    """Return whether a JSON file's content is in COCO's format."""
    return isinstance(content, dict) and isinstance(content.get("images"), list)


def files_in(folder: Path) -> list[Path]:
    """Return the files in COCO's format below a folder, ours and those of common exports."""
    found = []
    patterns = ("*.json", "annotations/*.json", "*/_annotations.coco.json", "*/*.json")
    for pattern in patterns:
        files = sorted(folder.glob(pattern))
        found = [file for file in files if is_coco(_try_json(file))]
        if found:
            break
    return found


def read(path: Path, settings: ReadSettings) -> RawLabels:
    """Read a file, or all those of a folder as splits of one data set.

    Raises:
        DataError: not JSON; or the files of a folder label different joints.
    """
    if path.is_dir():
        return _read_several(files_in(path), path, settings)
    content = read_json(path, "annotation", "check the path")
    if not is_coco(content):
        raise DataError(f"{path} must hold 'images' and 'annotations', as COCO's files do.")
    folder = _folder(content, path, settings.images)
    skeleton = _unnamed_skeleton(content, settings)
    return RawLabels(_kind(content, skeleton), path, content, folder, skeleton=skeleton)


def write(labels: LabelSet, out: Path, settings: Any = None) -> list[Path]:
    """Write a JSON file; into a folder, one for each split.

    Args:
        labels: what is written.
        out: a file ``.json``, or a folder.
        settings: not used: pictures stay where they are.
    """
    if out.suffix.lower() == ".json":
        return [_write_one(labels, out, labels.images)]
    splits = labels.splits()
    return [
        _write_one(
            labels,
            out / f"{split or 'labels'}.json",
            [image for image in labels.images if image.get("split", "") == split],
        )
        for split in splits
    ]


def category_entry(category: Entry, skeleton: Skeleton) -> Entry:
    """Return COCO's entry of a category with the joints of a skeleton."""
    entry = {
        **category,
        "supercategory": category["name"],
        "keypoints": list(skeleton.joints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs],
        "flip_pairs": [[skeleton.joints[a], skeleton.joints[b]] for a, b in skeleton.flip_pairs],
    }
    if any(sigma != DEFAULT_SIGMA for sigma in skeleton.sigmas):
        entry["sigmas"] = list(skeleton.sigmas)
    return entry


def _write_one(labels: LabelSet, file: Path, images: list[Entry]) -> Path:
    ids = {image["id"] for image in images}
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "info": {
            "description": f"converted from {labels.kind}",
            "images": seen_from(labels.folder, file.parent),
        },
        "images": images,
        "annotations": [person for person in labels.people if person["image_id"] in ids],
        "categories": [category_entry(entry, labels.skeleton) for entry in labels.categories],
    }
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return file


def seen_from(folder: Path, start: Path) -> str:
    """Return a folder's path from another, as a whole path where drives differ."""
    try:
        return Path(os.path.relpath(folder.resolve(), start.resolve())).as_posix()
    except ValueError:
        return folder.resolve().as_posix()


def _try_json(file: Path) -> Any:
    try:
        return read_json(file)
    except DataError:
        return None


def _folder(content: dict[str, Any], path: Path, given: str) -> Path:
    names = [str(i.get("file_name", "")) for i in content["images"] if isinstance(i, dict)]
    info = content.get("info")
    said = info.get("images") if isinstance(info, dict) else None
    first = [path.parent / said] if isinstance(said, str) else []
    folder = picture_folder(names, given, [*first, *places_near(path)], path)
    return Path(os.path.normpath(folder))


def _rows(content: dict[str, Any]) -> list[Entry]:
    rows = content.get("annotations")
    return [r for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []


def _joint_counts(content: dict[str, Any]) -> set[int]:
    lists = (row.get("keypoints") for row in _rows(content))
    return {len(value) // 3 for value in lists if isinstance(value, list) and value}


def _unnamed_skeleton(content: dict[str, Any], settings: ReadSettings) -> Skeleton | None:
    """Return the joints of data sets whose files do not name them: WholeBody, Halpe."""
    if settings.skeleton is not None:
        return settings.skeleton
    rows = _rows(content)
    if rows and any(key in rows[0] for key in WHOLE_BODY_KEYS if key != "keypoints"):
        return load_skeleton("wholebody")
    counts, entries = _joint_counts(content), content.get("categories")
    if isinstance(entries, list) and any(
        isinstance(e, dict) and e.get("keypoints") for e in entries
    ):
        return None
    known = {17: "coco", 26: "halpe26", WHOLE_BODY_JOINTS: "wholebody"}
    if counts == {HALPE_JOINTS}:
        return halpe_skeleton()
    return (
        load_skeleton(known[counts.pop()]) if len(counts) == 1 and counts <= known.keys() else None
    )


def halpe_skeleton() -> Skeleton:
    """Return Halpe's 136 joints (Li et al. 2020): its 26 of the body, then face and hands.

    Face and hands are COCO-WholeBody's, sigmas and mirror pairs included.
    """
    body, whole = load_skeleton("halpe26"), load_skeleton("wholebody")
    first = 23  # of WholeBody's joints: behind body and feet
    shift = body.num_joints - first
    pairs = [(a + shift, b + shift) for a, b in whole.flip_pairs if min(a, b) >= first]
    limbs = [(a + shift, b + shift) for a, b in whole.limbs if min(a, b) >= first]
    entry = {
        "name": "halpe136",
        "joints": (*body.joints, *whole.joints[first:]),
        "flip_pairs": [*body.flip_pairs, *pairs],
        "limbs": [*body.limbs, *limbs],
        "upper_body": [*body.upper_body, *range(body.num_joints, HALPE_JOINTS)],
        "sigmas": (*body.sigmas, *whole.sigmas[first:]),
    }
    return skeleton_from_dict(entry, "Halpe")


def _kind(content: dict[str, Any], skeleton: Skeleton | None) -> str:
    if skeleton is not None and skeleton.name in ("wholebody", "halpe26", "halpe136"):
        return skeleton.name
    crowd = any(isinstance(i, dict) and "crowdIndex" in i for i in content["images"])
    return "crowdpose" if crowd else "coco"


def split_of(name: str) -> str:
    """Return the split that a file or folder is named for, '' for none."""
    words = [word.lower() for word in name.replace(".", "_").replace("-", "_").split("_")]
    known = [SPLITS[w.rstrip("0123456789")] for w in words if w.rstrip("0123456789") in SPLITS]
    return known[-1] if known else ""


def _read_several(files: list[Path], path: Path, settings: ReadSettings) -> RawLabels:
    if not files:
        raise DataError(f"No annotation file in COCO's format is in {path}.")
    parts = [read(file, settings) for file in files]
    folder = Path(os.path.commonpath([part.folder.resolve() for part in parts]))
    content: dict[str, Any] = {"images": [], "annotations": []}
    notes = _renumber(parts)
    for part, file in zip(parts, files, strict=True):
        below = PurePosixPath(os.path.relpath(part.folder.resolve(), folder).replace(os.sep, "/"))
        split = split_of(file.stem) or split_of(file.parent.name)
        for image in part.content["images"]:
            name = str(below / str(image.get("file_name", "")))
            content["images"].append({"split": split, **image, "file_name": name})
        content["annotations"] += _rows(part.content)
    content["categories"] = _same_categories(parts, path)
    return RawLabels(parts[0].kind, path, content, folder, notes, parts[0].skeleton)


def _renumber(parts: list[RawLabels]) -> tuple[str, ...]:
    """Number images and annotations anew where several files use the same numbers, in place."""
    notes = []
    for key in ("images", "annotations"):
        rows = [row for part in parts for row in part.content.get(key) or ()]
        ids = [row.get("id") for row in rows]
        if len(set(map(str, ids))) == len(ids):
            continue
        notes.append(f"several files use the same ids of {key}: they are numbered anew, from 1")
        number = 1
        for part in parts:
            places: dict[Any, int] = {}
            for row in part.content.get(key) or ():
                places[str(row.get("id"))] = row["id"] = number
                number += 1
            if key == "images":
                for row in _rows(part.content):
                    row["image_id"] = places.get(str(row.get("image_id")))
    return tuple(notes)


def _same_categories(parts: Iterable[RawLabels], path: Path) -> list[Entry]:
    """Return the categories that all files list.

    Raises:
        DataError: they list different ones, so that one number would mean two things.
    """
    lists = [part.content.get("categories") for part in parts]
    first = lists[0] if isinstance(lists[0], list) else []
    for other in lists[1:]:
        if other != lists[0]:
            raise DataError(f"The files in {path} list different categories; convert each alone.")
    return first
