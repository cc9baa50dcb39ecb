"""``data.yaml`` of YOLO-pose folders: pictures of each split, classes, joints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from lib.datasets.formats.coco import split_of
from lib.datasets.formats.pictures import list_pictures
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import DataError

SETS = ("train", "val", "test")
BOX = 5  # numbers before the joints: class, x, y, width, height


@dataclass(frozen=True)
class Description:
    """What ``data.yaml`` says.

    Attributes:
        root: folder of the data set.
        pictures: (picture, split) in order.
        classes: number of a class -> name.
        joints: how many; 0 where nothing says.
        width: numbers per joint, 2 or 3.
        names: of the joints.
        flips: K numbers: joint k of a mirrored picture is ``flips[k]``; empty where nothing says.
    """

    root: Path
    pictures: list[tuple[Path, str]]
    classes: dict[int, str]
    joints: int
    width: int
    names: list[str]
    flips: list[int]


def is_yolo(path: Path) -> bool:
    """Return whether a folder or YAML file seems to be a YOLO data set."""
    if path.is_file():
        return path.suffix in (".yaml", ".yml")
    return _yaml_in(path) is not None or (path / "labels").is_dir()


def _yaml_in(folder: Path) -> Path | None:
    files = [folder / "data.yaml", *sorted(folder.glob("*.yaml")), *sorted(folder.glob("*.yml"))]
    return next((f for f in files if f.is_file() and _mentions_pictures(f)), None)


def _mentions_pictures(file: Path) -> bool:
    content = _read_yaml(file)
    return "kpt_shape" in content or bool(content.keys() & set(SETS) and "names" in content)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{file} cannot be read as YAML: {' '.join(str(error).split())}") from None
    return content if isinstance(content, dict) else {}


def describe(path: Path) -> Description:
    """Return what a folder, or its ``data.yaml``, says about the data set.

    Raises:
        DataError: what it says does not fit together.
    """
    file = path if path.is_file() else _yaml_in(path)
    said = _read_yaml(file) if file is not None else {}
    base = path.parent if path.is_file() else path
    root = _root(said, base)
    pictures = list(dict.fromkeys(_pictures(said, root, file or path)))
    joints, width = _joint_shape(said, file or path, pictures)
    names = _joint_names(said, joints, file or path)
    flips = _flips(said.get("flip_idx"), joints, file or path)
    classes = _classes(said.get("names"), file or path)
    return Description(root, pictures, classes, joints, width, names, flips)


def _root(said: dict[str, Any], base: Path) -> Path:
    """Return the folder of the data set: 'path', if it is there, else that of the YAML file."""
    given = said.get("path")
    if isinstance(given, str):
        for folder in (Path(given), base / given):
            if folder.is_dir() and any((folder / n).exists() for n in ("images", *SETS)):
                return folder
    return base


def _pictures(said: dict[str, Any], root: Path, file: Path) -> Iterator[tuple[Path, str]]:
    named = [name for name in SETS if said.get(name)]
    if not named:
        folder = root / "images" if (root / "images").is_dir() else root
        for picture in list_pictures(folder):
            yield (
                picture,
                split_of(picture.relative_to(root).parts[-2])
                if len(picture.relative_to(root).parts) > 1
                else "",
            )
    seen: set[Path] = set()
    for name in named:
        values = said[name] if isinstance(said[name], list) else [said[name]]
        for value in values:
            for picture in _pictures_at(str(value), root, file, name):
                if picture not in seen:  # val: images/train of sets without a split
                    seen.add(picture)
                    yield picture, name


def _pictures_at(value: str, root: Path, file: Path, name: str) -> list[Path]:
    value = value.replace("\\", "/")
    plain = PurePosixPath(*[part for part in PurePosixPath(value).parts if part != ".."])
    places = [Path(value), root / value, root / plain]
    found = next((place for place in places[1:] if place.exists()), None)
    found = found or (places[0] if places[0].exists() else None)
    if found is None:
        raise DataError(f"{file}: '{name}' is {value}, and there is no {root / value}.")
    if found.is_dir():
        return list_pictures(found)
    entries = [line.strip() for line in read_lines(found) if line.strip()]
    return [p if (p := Path(entry)).is_file() else root / entry for entry in entries]


def _joint_shape(
    said: dict[str, Any], file: Path, pictures: list[tuple[Path, str]]
) -> tuple[int, int]:
    shape = said.get("kpt_shape")
    if shape is None:
        return _guess_shape(pictures, file)
    good = isinstance(shape, list) and len(shape) == 2 and all(isinstance(n, int) for n in shape)
    if not good or shape[0] < 1 or shape[1] not in (2, 3):
        raise DataError(f"{file}: 'kpt_shape' must be [joints, 2 or 3], got {shape!r:.60}.")
    return shape[0], shape[1]


def _guess_shape(pictures: list[tuple[Path, str]], file: Path) -> tuple[int, int]:
    """Return the shape of joints that lines have, where nothing says it."""
    for picture, _ in pictures:
        labels = label_file(picture)
        for line in read_lines(labels) if labels.is_file() else ():
            numbers = line.split()[BOX:]
            if len(numbers) % 3 == 0 and {float(v) for v in numbers[2::3]} <= {0, 1, 2} and numbers:
                return len(numbers) // 3, 3
            if numbers:
                return len(numbers) // 2, 2
    raise DataError(f"{file} says no 'kpt_shape', and no label has joints: is it a pose data set?")


def _joint_names(said: dict[str, Any], joints: int, file: Path) -> list[str]:
    names = said.get("kpt_names") or said.get("keypoint_names") or said.get("keypoints")
    if isinstance(names, dict):
        names = (
            next(iter(names.values()))
            if all(isinstance(v, list) for v in names.values())
            else (list(names.values()))
        )
    if isinstance(names, list) and names:
        if len(names) != joints:
            raise DataError(f"{file}: {len(names)} names for {joints} joints ('kpt_shape').")
        return [str(name) for name in names]
    if joints == load_skeleton("coco").num_joints:
        return list(load_skeleton("coco").joints)
    return [f"joint_{k}" for k in range(joints)]


def _flips(values: Any, joints: int, file: Path) -> list[int]:
    """Return the joints' places in a mirrored picture; mirrored twice, all are where they were."""
    if values is None or values == []:
        return []
    numbers = values if isinstance(values, list) else []
    good = all(isinstance(k, int) and 0 <= k < joints for k in numbers) and len(numbers) == joints
    if not good or any(numbers[numbers[k]] != k for k in range(joints)):
        raise DataError(
            f"{file}: 'flip_idx' must name each of {joints} joints once, and left for right as "
            f"right for left, got {values!r:.80}."
        )
    return numbers


def _classes(names: Any, file: Path) -> dict[int, str]:
    if isinstance(names, list):
        return {n: str(name) for n, name in enumerate(names)}
    if isinstance(names, dict) and all(str(key).isdecimal() for key in names):
        return {int(key): str(name) for key, name in names.items()}
    if names is None:
        return {0: "person"}
    raise DataError(f"{file}: 'names' must list the classes, got {names!r:.60}.")


def read_lines(file: Path) -> list[str]:
    """Return the lines of a text file.

    Raises:
        DataError: it is no text.
    """
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(
            f"{file} is not a text file: it must hold lines of numbers or names."
        ) from None


def label_file(picture: Path) -> Path:
    """Return the text file that holds the labels of a picture; capital letters do not count."""
    parts = list(picture.parts)
    places = [n for n, part in enumerate(parts[:-1]) if part.lower() == "images"]
    if not places:
        return picture.with_suffix(".txt")
    written = parts[places[-1]]
    for name in ("labels", "Labels", "LABELS"):
        parts[places[-1]] = name
        if Path(*parts[: places[-1] + 1]).is_dir():
            break
    else:
        parts[places[-1]] = "labels" if written == "images" else written
    return Path(*parts).with_suffix(".txt")
