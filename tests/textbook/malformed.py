"""Annotation files damaged as tools, converters and people damage them, drawn by a seed."""

import collections
import copy
import json
import logging

import numpy as np

COCO17 = [
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
    "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
]  # fmt: skip
VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 0.5, -0.0, 1e9, 1e308, 10**30, float("nan"),
    float("inf"), "", "0", "1", "x", "7", "1.5", [], {}, [[]], [None], [1, 2], [1, 2, 3, 4],
    [1, 2, 30, 40], ["1", "2", "30", "40"], {"x": 1}, "none", [[1, 2, 30, 2, 30, 40]],
]  # fmt: skip
ENTRIES = {
    "images": ["id", "file_name", "width", "height", "crowdIndex"],
    "categories": ["id", "name", "keypoints", "skeleton", "sigmas"],
    "annotations": [
        "id", "image_id", "category_id", "bbox", "area", "iscrowd", "num_keypoints",
        "keypoints", "segmentation",
    ],
}  # fmt: skip


def coco_content(rng, joints=17, names=COCO17, crowd_index=False):
    """Return a sound file: three images of two people each."""
    images, rows = [], []
    for n in range(3):
        size = {"width": 160, "height": 120}
        images.append({"id": n + 1, "file_name": f"img_{n + 1}.jpg", **size})
        if crowd_index:
            images[-1]["crowdIndex"] = float(rng.uniform())
        for _ in range(2):
            x, y = rng.integers(0, 40, 2).tolist()
            points = rng.uniform([x + 2, y + 2], [x + 70, y + 60], (joints, 2)).round(1)
            flat = [float(v) for point in points for v in (*point, 2)]
            row = {"id": len(rows) + 1, "image_id": n + 1, "category_id": 1}
            row |= {"bbox": [x, y, 75, 65], "area": 2600.0, "iscrowd": 0, "keypoints": flat}
            rows.append(row | {"num_keypoints": joints, "segmentation": []})
    category = {"id": 1, "name": "person", "keypoints": list(names), "skeleton": [[1, 2]]}
    return {"images": images, "annotations": rows, "categories": [category]}


def mpii_content(rng):
    """Return a sound file in the HRNet family's MPII form."""
    return [
        {
            "image": f"{n}.jpg",
            "center": rng.uniform(50, 200, 2).tolist(),
            "scale": float(rng.uniform(1, 3)),
            "joints": rng.uniform(0, 300, (16, 2)).tolist(),
            "joints_vis": [1] * 16,
        }
        for n in range(4)
    ]


def damage(content, rng):
    """Return a copy with one to three things changed: a value, a key, an element, an entry."""
    content = copy.deepcopy(content)
    for _ in range(int(rng.integers(1, 4))):
        rng.choice([_value, _value, _element, _drop, _everywhere, _whole, _repeat])(content, rng)
    return content


def as_bytes(content, rng):
    """Return the file; one in twenty is cut, in another encoding, or not JSON."""
    data = json.dumps(content).encode()
    kind = int(rng.integers(0, 100))
    if kind == 0:
        return data[: int(rng.integers(0, len(data)))]
    if kind == 1:
        return b"\xef\xbb\xbf" + data
    if kind == 2:
        return data.decode().encode("utf-16")
    if kind == 3:
        return data[:-1] + b",}"
    return bytes(rng.integers(0, 256, 40, dtype=np.uint8)) if kind == 4 else data


def _rows(content, rng):
    """Return a list of entries of the file, and a key that they may have."""
    if isinstance(content, list):
        return content, rng.choice(["image", "center", "scale", "joints", "joints_vis"]).item()
    section = rng.choice(list(ENTRIES)).item()
    rows = content.get(section)
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return rows, rng.choice(ENTRIES[section]).item()


def _draw(rng):
    return copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])


def _value(content, rng):
    rows, key = _rows(content, rng)
    if rows:
        rows[int(rng.integers(len(rows)))][key] = _draw(rng)


def _everywhere(content, rng):
    rows, key = _rows(content, rng)
    value, text = _draw(rng), rng.random() < 0.3
    for row in rows:
        row[key] = str(row.get(key)) if text else copy.deepcopy(value)


def _element(content, rng):
    rows, key = _rows(content, rng)
    values = rows[int(rng.integers(len(rows)))].get(key) if rows else None
    if isinstance(values, list) and values:
        place = int(rng.integers(len(values)))
        if rng.random() < 0.3:
            del values[place]
        else:
            values[place] = _draw(rng)


def _drop(content, rng):
    rows, key = _rows(content, rng)
    for row in rows if rng.random() < 0.5 else rows[:1]:
        row.pop(key, None)


def _whole(content, rng):
    if isinstance(content, dict) and rng.random() < 0.3:
        content[rng.choice(list(ENTRIES)).item()] = _draw(rng)


def _repeat(content, rng):
    rows = content if isinstance(content, list) else content.get("annotations")
    if isinstance(rows, list) and rows:
        again = copy.deepcopy(rows[int(rng.integers(len(rows)))])
        if isinstance(again, dict) and rng.random() < 0.7:
            again["id"] = 1000 + len(rows)
        rows.append(again)


def tally(one, seeds):
    """Return how often each outcome of ``one(seed)`` came; what it logs is not shown."""
    logging.disable(logging.WARNING)
    try:
        return collections.Counter(one(seed) for seed in seeds)
    finally:
        logging.disable(logging.NOTSET)
