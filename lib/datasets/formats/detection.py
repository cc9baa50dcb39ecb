"""Which form a file or folder is in, by what it holds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lib.datasets.formats.coco import files_in, is_coco
from lib.datasets.formats.yolo_yaml import is_yolo
from lib.utils.errors import DataError
from lib.utils.files import read_json

PACKED = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
KNOWN = (
    "COCO's JSON, YOLO-pose folders, Label Studio's JSON, CVAT's XML, DeepLabCut's and SLEAP's CSV"
)


def detect(path: Path) -> str:
    """Return the form of a file or folder.

    Raises:
        DataError: it is of none of the known forms; with what it seems to be.
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
    raise DataError(f"{path} is of no known form ({KNOWN}); --from names one.")


def _of_folder(path: Path) -> str:
    if is_yolo(path):
        return "yolo"
    if files_in(path):
        return "coco"
    if any(path.glob("annotations.xml")):
        return "cvat"
    if any(path.rglob("CollectedData*.csv")):
        return "deeplabcut"
    raise DataError(f"{path} holds nothing of a known form ({KNOWN}).")


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
                f"{path} is in MPII's form, which trains as it is: DATASET.DATASET mpii."
            )
        if "image" in first or "img" in first:
            raise DataError(
                f"{path} is Label Studio's JSON-MIN: export it as JSON, which groups joints."
            )
    raise DataError(f"{path} is JSON of no known form ({KNOWN}).")
