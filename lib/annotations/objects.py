"""Objects of all categories with their boxes and outlines, for scores of boxes and masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.areas import BOX_SHARE
from lib.annotations.boxes import plain_boxes
from lib.annotations.columns import column, require_rows
from lib.annotations.decisions import Decisions
from lib.annotations.ids import read_ids
from lib.annotations.images import image_rows, read_image_table
from lib.utils.errors import DataError
from lib.utils.files import read_json


def read_objects(source: str | Path | dict[str, Any]) -> dict[str, Any]:
    """Return a COCO data set as pycocotools wants it.

    Raises:
        DataError: the file is missing, not JSON, or an entry has no image, category, box or area.
    """
    path = "the ground truth" if isinstance(source, dict) else str(source)
    content = source if isinstance(source, dict) else read_json(source, "annotation")
    decisions = Decisions(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} is not a COCO annotation file: it has no list 'images'.")
    for key in ("images", "annotations", "categories"):
        if key not in content:
            raise DataError(f"{path} is not a COCO annotation file: it has no list '{key}'.")
        require_rows(content[key], key, path)
    rows = content["annotations"]
    images = read_image_table(content["images"], "", decisions, pictures=False)
    places = image_rows(rows, images, decisions).tolist()
    ids, own = read_ids(rows, "annotation", decisions, may_lack=True)
    boxes = plain_boxes(rows, ids.tolist() if own is None else own, decisions)
    column(content["categories"], "id", np.int64, decisions)
    column(rows, "category_id", np.int64, decisions)
    crowds = column(rows, "iscrowd", np.int32, decisions, default=0)
    areas = column(rows, "area", np.float64, decisions, default=-1)
    areas = np.where(areas < 0, BOX_SHARE * boxes[:, 2:].prod(axis=1), areas)
    annotations = [
        {
            **row,
            "id": place + 1,
            "image_id": images.label(image),
            "bbox": box,
            "area": area,
            "iscrowd": crowd,
        }
        for place, (row, image, box, area, crowd) in enumerate(
            zip(rows, places, boxes.tolist(), areas.tolist(), crowds.tolist(), strict=True)
        )
    ]
    return {**content, "annotations": annotations}
