"""An annotation file of cats with four joints, for tests of what its reading decides."""

import numpy as np

JOINTS = ["head", "left_paw", "right_paw", "tail"]


def dataset(people=6, category=4):
    """Images of 90 x 70 with one animal each."""
    rng = np.random.default_rng(3)
    images, rows = [], []
    for n in range(people):
        images.append({"id": n + 11, "file_name": f"cat_{n}.png", "width": 90, "height": 70})
        points = rng.uniform([22, 12], [68, 48], (4, 2)).round(1)
        flat = [float(v) for point in points for v in (*point, 2)]
        row = {"id": n + 31, "image_id": n + 11, "category_id": category, "keypoints": flat}
        row |= {"bbox": [20.0, 10.0, 50.0, 40.0], "area": 1200.0, "iscrowd": 0, "num_keypoints": 4}
        rows.append(row)
    entry = {"id": category, "name": "cat", "keypoints": list(JOINTS), "skeleton": []}
    return {"images": images, "annotations": rows, "categories": [entry]}


def said(found, words):
    return any(words in str(decision) for decision in found.decisions)
