"""A small labelled data set with everything that conversions may lose."""

import json

import cv2
import numpy as np

JOINTS = ["Nose", "LHand", "RHand", "tail", "foot_l", "foot_r", "belly"]
EXIF = (  # orientation 6: to be turned by a quarter
    b"\xff\xe1\x00\x22Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00"
    b"\x06\x00\x00\x00\x00\x00\x00\x00"
)
LIMBS = [[1, 7], [7, 4], [2, 7]]


def labelled_content(ids="numbers", seed=5):
    """Return COCO content: pictures of different sizes, all visibilities, people without joints."""
    rng = np.random.default_rng(seed)
    images, rows = [], []
    for n, (size, split) in enumerate(
        zip(
            [(64, 48), (50, 90), (33, 47), (120, 80)],
            ["train", "train", "val", "test"],
            strict=True,
        )
    ):
        image = {"id": 400 + 3 * n, "file_name": f"clips/{split}_{n}.png", "split": split}
        images.append(image | {"width": size[0], "height": size[1]})
        for person in range((2, 3, 1, 0)[n]):
            rows.append(_person(rng, 71 + 2 * len(rows), image["id"], size, person))
    rows[1]["keypoints"] = [0] * 3 * len(JOINTS)  # a box alone
    category = {"id": 3, "name": "monkey", "keypoints": list(JOINTS), "skeleton": LIMBS}
    content = {"images": images, "annotations": rows, "categories": [category]}
    if ids == "texts":
        for row in images:
            row["id"] = f"img-{row['id']}"
        for row in rows:
            row["id"], row["image_id"] = f"p{row['id']}", f"img-{row['image_id']}"
    return content


def _person(rng, number, image, size, place):
    """Return a person in an own part of the picture, so that boxes do not hold others' joints."""
    width, height = size
    low = np.array([0.02 + 0.32 * place, 0.1]) * size
    box = [*low.tolist(), 0.3 * width, 0.8 * height]
    points = rng.uniform(low, low + box[2:], (len(JOINTS), 2))
    seen = rng.permutation([0, 1, 2, 2, 1, 0, 2])
    points[seen == 0] = 0
    flat = [float(v) for point, mark in zip(points, seen, strict=True) for v in (*point, mark)]
    row = {"id": number, "image_id": image, "category_id": 3, "bbox": box, "keypoints": flat}
    return row | {"area": float(rng.uniform(0.3, 0.7) * box[2] * box[3]), "iscrowd": 0}


def write_labelled(folder, **options):
    """Write pictures and ``labels.json``; return the content."""
    content = labelled_content(**options)
    rng = np.random.default_rng(1)
    for image in content["images"]:
        file = folder / image["file_name"]
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (image["height"], image["width"], 3), np.uint8)
        cv2.imwrite(str(file), pixels)
    (folder / "labels.json").write_text(json.dumps(content))
    return content


def same_people(found, content, sizes):
    """Check ids, boxes, joints and marks of a `LabelSet` against COCO content, to 1e-6 of sizes."""
    wanted = {row["id"]: row for row in content["annotations"]}
    assert [person["id"] for person in found.people] == list(wanted)
    for person in found.people:
        row, size = wanted[person["id"]], np.array(sizes[wanted[person["id"]]["image_id"]])
        assert person["image_id"] == row["image_id"]
        assert person["category_id"] == row["category_id"]
        old, new = (np.reshape(v["keypoints"], (-1, 3)) for v in (row, person))
        np.testing.assert_array_equal(new[:, 2], old[:, 2])
        seen = old[:, 2] > 0
        assert np.abs((new[seen, :2] - old[seen, :2]) / size).max(initial=0) < 1e-6
        box = np.reshape(np.subtract(person["bbox"], row["bbox"]), (2, 2)) / size
        assert np.abs(box).max() < 1e-6
        assert abs(person["area"] - row["area"]) < 1e-6 * row["area"]
