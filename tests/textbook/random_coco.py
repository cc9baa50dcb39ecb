"""Random COCO-format ground truth and results, with all that makes scoring hard."""

import numpy as np


def random_coco(
    seed, images=9, joints=17, areas=(400.0, 60_000.0), crowds=True, boxes=False, crowd_index=False
):
    """Return (dataset, rows): crowd regions, unlabelled people, misses, false positives, ties."""
    rng = np.random.default_rng(seed)
    dataset = {
        "images": [{"id": 11 + 3 * i, "height": 480, "width": 640} for i in range(images)],
        "annotations": [],
        "categories": [{"id": 1, "name": "person", "keypoints": [f"j{k}" for k in range(joints)]}],
    }
    rows = []
    for image in dataset["images"]:
        if crowd_index:
            image["crowdIndex"] = float(rng.uniform())
        for _ in range(rng.integers(0, 5)):
            area = float(rng.uniform(*areas))
            annotation = _person(rng, joints, area, image["id"], len(dataset["annotations"]) + 1)
            if crowds and rng.uniform() < 0.15:
                annotation["iscrowd"] = 1
            dataset["annotations"].append(annotation)
            for _ in range(rng.integers(0, 4)):
                rows.append(_near(rng, annotation, boxes))
        for _ in range(rng.integers(0, 3)):
            stranger = _person(rng, joints, float(rng.uniform(*areas)), image["id"], 0)
            rows.append(_near(rng, stranger, boxes))
    return dataset, rows


def _person(rng, joints, area, image_id, number):
    side = area**0.5
    corner = rng.uniform(0, 400, 2)
    visibility = rng.integers(0, 3, joints)
    if rng.uniform() < 0.15:
        visibility[:] = 0
    points = (corner + rng.uniform(0, side, (joints, 2))) * (visibility > 0)[:, None]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "bbox": [*corner.tolist(), side, side],
        "area": area,
        "iscrowd": 0,
        "num_keypoints": int((visibility > 0).sum()),
        "keypoints": np.column_stack([points, visibility]).ravel().tolist(),
    }


def _near(rng, annotation, boxes):
    side = annotation["area"] ** 0.5
    points = np.array(annotation["keypoints"]).reshape(-1, 3)[:, :2]
    moved = points + rng.normal(0, side * rng.choice([0.01, 0.05, 0.15]), points.shape)
    row = {
        "image_id": annotation["image_id"],
        "category_id": 1,
        "keypoints": np.column_stack([moved, rng.uniform(size=len(points))]).ravel().tolist(),
        "score": float(np.round(rng.uniform(), 2)),  # two digits: many ties
    }
    if boxes:
        row["bbox"] = (np.array(annotation["bbox"]) + rng.normal(0, side * 0.05, 4)).tolist()
    return row


def varied_coco(seed):
    """Return (dataset, rows, sigmas) of a random kind: 5 to 133 joints, one to three categories.

    With missing size ranges, images of up to 40 finds, equal people, and images without any.
    """
    rng = np.random.default_rng(seed)
    joints = int(rng.choice([5, 9, 14, 17, 21, 26, 42, 133]))
    low, high = sorted(rng.choice([10.0, 800.0, 4000.0, 9000.0, 90_000.0], 2, replace=False))
    options = {"areas": (low, high), "crowds": seed % 3 > 0, "boxes": seed % 2 == 0}
    dataset, rows = random_coco(seed, int(rng.integers(1, 9)), joints, crowd_index=True, **options)
    if dataset["annotations"] and seed % 4 == 0:  # equally similar people, and many finds
        same = dataset["annotations"][int(rng.integers(len(dataset["annotations"])))]
        # Occluded for visible: as similar as the other, but no copy, which reading leaves out.
        twin = [v and 3 - v if n % 3 == 2 else v for n, v in enumerate(same["keypoints"])]
        number = len(dataset["annotations"]) + 1
        dataset["annotations"].append({**same, "id": number, "keypoints": twin})
        rows += [_near(rng, same, options["boxes"]) for _ in range(rng.integers(1, 41))]
        rows += [dict(row) for row in rows[-3:]]
    if seed % 5 == 0:  # areas that have nothing to do with the boxes
        for annotation in dataset["annotations"]:
            annotation["area"] = float(rng.uniform(2, high))
    categories = int(rng.integers(1, 4))
    dataset["categories"] = [{**dataset["categories"][0], "id": 7 - c} for c in range(categories)]
    for entry in (*dataset["annotations"], *rows):
        entry["category_id"] = 7 - int(rng.integers(categories))
    rows = [rows[n] for n in rng.permutation(len(rows))]
    return dataset, rows, rng.uniform(0.02, 0.11, joints)
