"""Labelled pictures -> a YOLO-pose folder, see ``yolo``."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from lib.datasets.formats.coco import category_entry
from lib.datasets.formats.labels import Entry, LabelSet
from lib.datasets.formats.pictures import place_pictures
from lib.datasets.formats.yolo import IDS
from lib.datasets.formats.yolo_yaml import label_file
from lib.utils.errors import DataError


def write(labels: LabelSet, out: Path, settings: Any) -> list[Path]:
    """Write a data set into a folder.

    Crowds are left out, boxes are cut at the picture's edge, and joints outside are not labelled:
    training with YOLO refuses pictures whose labels leave them.

    Raises:
        DataError: two pictures would share a label file.
    """
    targets = _picture_targets(labels, out)
    classes = {entry["id"]: n for n, entry in enumerate(labels.categories)}
    kept: dict[str, Any] = {}
    grouped = labels.people_of_images()
    for image, target in zip(labels.images, targets, strict=True):
        people = [p for p in grouped[image["id"]] if not p["iscrowd"]]
        lines = [_line(person, image, classes[person["category_id"]]) for person in people]
        file = label_file(target)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        extras = [{k: p[k] for k in _EXTRAS if k in p} for p in people]
        kept[target.relative_to(out).as_posix()] = {"id": image["id"], "people": extras}
    place_pictures(labels, targets, settings.pictures)
    return [_write_yaml(labels, out), _write_ids(labels, out, kept)]


_EXTRAS = ("id", "category_id", "area", "track_id")


def _picture_targets(labels: LabelSet, out: Path) -> list[Path]:
    names = [
        (image.get("split") or "train", _short(image["file_name"], image.get("split", "")))
        for image in labels.images
    ]
    stems = {(split, str(PurePosixPath(name).with_suffix(""))) for split, name in names}
    if len(stems) < len(names):
        names = [
            (split, PurePosixPath(image["file_name"]).as_posix().replace("../", ""))
            for (split, _), image in zip(names, labels.images, strict=True)
        ]
        stems = {(split, str(PurePosixPath(name).with_suffix(""))) for split, name in names}
    if len(stems) < len(names):
        raise DataError(
            "Two pictures differ in their endings only, and YOLO would give them one label file."
        )
    return [out / "images" / split / name for split, name in names]


def _short(name: str, split: str) -> str:
    """Return a picture's name without the folders that YOLO has, too."""
    parts = [part for part in PurePosixPath(name).parts if part != ".."]
    while len(parts) > 1 and (parts[0] in ("images", "labels") or parts[0] == split):
        parts = parts[1:]
    return str(PurePosixPath(*parts))


def _line(person: Entry, image: Entry, label: int) -> str:
    size = np.array([image["width"], image["height"]], np.float64)
    box = np.array(person["bbox"])
    corners = np.clip(np.stack([box[:2], box[:2] + box[2:]]) / size, 0, 1)
    joints = np.array(person["keypoints"]).reshape(-1, 3)
    points, seen = joints[:, :2] / size, joints[:, 2]
    gone = (seen == 0) | (points < 0).any(axis=1) | (points > 1).any(axis=1)
    numbers = [*corners.mean(axis=0), *(corners[1] - corners[0])]
    text = [f"{label}", *(f"{number:.10g}" for number in numbers)]
    for point, mark, none in zip(points, seen, gone, strict=True):
        text += ["0", "0", "0"] if none else [f"{point[0]:.10g}", f"{point[1]:.10g}", f"{mark:.0f}"]
    return " ".join(text)


def _write_yaml(labels: LabelSet, out: Path) -> Path:
    splits = {image.get("split") or "train" for image in labels.images}
    skeleton = labels.skeleton
    content: dict[str, Any] = {"path": "."}
    for name in ("train", "val"):
        content[name] = (
            f"images/{name if name in splits else 'train' if 'train' in splits else min(splits)}"
        )
    content |= {name: f"images/{name}" for name in sorted(splits - {"train", "val"})}
    content |= {
        "names": {n: entry["name"] for n, entry in enumerate(labels.categories)},
        "kpt_shape": [skeleton.num_joints, 3],
        "flip_idx": skeleton.flip_index.tolist(),
        "kpt_names": {n: list(skeleton.joints) for n in range(len(labels.categories))},
    }
    file = out / "data.yaml"
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None)
    file.write_text(text, encoding="utf-8")
    return file


def _write_ids(labels: LabelSet, out: Path, kept: dict[str, Any]) -> Path:
    entry = category_entry(labels.categories[0], labels.skeleton)
    content = {
        "images": kept,
        "categories": {n: entry["id"] for n, entry in enumerate(labels.categories)},
        "limbs": entry["skeleton"],
        "spreads": {"sigmas": entry["sigmas"]} if "sigmas" in entry else {},
    }
    file = out / IDS
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return file
