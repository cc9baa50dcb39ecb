"""Which format a file or folder is in, by what it holds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lib.datasets.formats.coco import files_in, is_coco
from lib.datasets.formats.yolo_yaml import is_yolo
from lib.utils.errors import DataError
from lib.utils.files import read_json

PACKED = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
ENDINGS = (".json", ".xml", ".csv")  # of files that hold the labels of a whole data set
KNOWN = (
    "COCO's JSON, YOLO-pose folders, Label Studio's JSON, CVAT's XML, DeepLabCut's and SLEAP's CSV"
)


def detect(path: Path) -> str:
    """Return the format of a file or folder; '' for a folder that is of none itself, see `file_in`.

    Raises:
        DataError: a file is of none of the known formats; with what it seems to be.
    """
    if path.is_dir():
        return _of_folder(path)
    ending = path.suffix.lower()
    if ending in (".yaml", ".yml"):
        return "yolo"
    if ending == ".xml":
        return "cvat"
    if ending == ".csv":
        return _of_table(path)
    if ending in PACKED:
        raise DataError(f"{path} is an archive: unpack it, and name the folder.")
    if ending in (".slp", ".h5"):
        raise DataError(
            f"{path} is in HDF5: export the labels as CSV or JSON (SLEAP: Analysis CSV, or "
            "sleap-convert --format json; DeepLabCut keeps a CSV beside it)."
        )
    if ending == ".json":
        return _of_json(read_json(path, "annotation", "check the path"), path)
    raise DataError(f"{path} is of no known format ({KNOWN}); --from names one.")


def file_in(folder: Path) -> Path:
    """Return the file of labels in a folder of no format itself: an export and its pictures.

    Raises:
        DataError: there is none, or more than one.
    """
    found, refusals = [], list[str]()
    for file in sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS):
        try:
            detect(file)
        except DataError as error:
            refusals.append(str(error))
        else:
            found.append(file)
    if len(found) > 1:
        raise DataError(
            f"{folder} holds several files of labels ({', '.join(p.name for p in found)}): name "
            "one of them."
        )
    if len(refusals) == 1 and not found:
        raise DataError(refusals[0])
    if not found:
        raise DataError(f"{folder} holds nothing of a known format ({KNOWN}).")
    return found[0]


def _of_folder(path: Path) -> str:
    if is_yolo(path):
        return "yolo"
    if files_in(path):
        return "coco"
    if any(path.glob("annotations.xml")):
        return "cvat"
    if any(path.rglob("CollectedData*.csv")):
        return "deeplabcut"
    return ""


def _of_table(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {error}.") from None
    if first and first[0] == "scorer":
        return "deeplabcut"
    if "frame_idx" in first and any(name.endswith(".x") for name in first):
        return "sleap"
    raise DataError(
        f"{path} is a table with the columns {', '.join(first[:5])!r:.80}; DeepLabCut's start with "
        "'scorer', SLEAP's have 'frame_idx'."
    )


def _of_json(content: Any, path: Path) -> str:
    if is_coco(content):
        return "coco"
    if isinstance(content, dict) and {"nodes", "labels"} <= content.keys():
        return "sleap"
    first = content[0] if isinstance(content, list) and content else None
    if isinstance(first, dict):
        if "data" in first and {"annotations", "completions", "predictions"} & first.keys():
            return "labelstudio"
        if {"image_id", "keypoints"} <= first.keys():
            return "results"
        if {"joints", "center"} <= first.keys():
            raise DataError(
                f"{path} is in MPII's format, which trains as it is: DATASET.DATASET mpii."
            )
        if "image" in first or "img" in first:
            raise DataError(
                f"{path} is Label Studio's JSON-MIN: export it as JSON, which groups joints."
            )
    raise DataError(f"{path} is JSON of no known format ({KNOWN}).")
