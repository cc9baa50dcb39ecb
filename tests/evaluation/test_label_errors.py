import numpy as np
import pytest

from lib.annotations.reading import ReadOptions, read_annotations
from lib.evaluation.label_errors import find_label_errors
from lib.utils.errors import DataError

JOINTS = ["nose", "left_hand", "right_hand", "left_foot", "right_foot", "tail"]
FLIP = [0, 2, 1, 4, 3, 5]
PICTURES, EACH = 150, 3
POSE = np.array([[0.5, 0.1], [0.1, 0.5], [0.9, 0.5], [0.3, 0.9], [0.7, 0.9], [0.55, 0.6]])


def people(rng):
    """Return (N, 6, 2) joints, (N,) sizes, (N, 4) boxes, three people a picture, side by side."""
    count = PICTURES * EACH
    sizes = rng.uniform(60, 140, count)
    corners = np.stack([200.0 * (np.arange(count) % EACH), rng.uniform(0, 40, count)], axis=1)
    shapes = POSE + rng.normal(0, 0.05, (count, 6, 2))
    points = corners[:, None] + shapes * sizes[:, None, None]
    return points, sizes, np.concatenate([corners, np.stack([sizes, sizes], 1)], axis=1)


def content(points, seen, sizes, boxes, gone=()):
    rows = []
    for n, (joints, marks) in enumerate(zip(points, seen, strict=True)):
        flat = [float(v) for p, m in zip(joints, marks, strict=True) for v in (*(p * (m > 0)), m)]
        row = {"id": 10 + n, "image_id": n // EACH, "category_id": 1, "keypoints": flat}
        row |= {"bbox": boxes[n].tolist(), "area": float(sizes[n] ** 2), "iscrowd": 0}
        rows += [row] if n not in gone else []
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in range(PICTURES)]
    category = {"id": 1, "name": "cat", "keypoints": JOINTS}
    return {"images": images, "annotations": rows, "categories": [category]}


def results(points, sizes, boxes, rng, error=0.015):
    """Return what a fair network sees: small errors, now and then a joint that it is unsure of."""
    found = points + rng.normal(0, error, points.shape) * sizes[:, None, None]
    scores = rng.uniform(0.7, 0.95, points.shape[:2])
    lost = rng.random(points.shape[:2]) < 0.05
    found[lost] += rng.normal(0, 0.4, (lost.sum(), 2)) * 80
    scores[lost] = rng.uniform(0.05, 0.35, lost.sum())
    return [
        {
            "image_id": n // EACH,
            "category_id": 1,
            "score": float(scores[n].mean()),
            "keypoints": np.concatenate([found[n], scores[n][:, None]], axis=1).ravel().tolist(),
            "center": (boxes[n, :2] + boxes[n, 2:] / 2).tolist(),
        }
        for n in range(len(points))
    ]


def plant(points, seen, sizes, rng, share=0.05):
    """Return points and marks with four kinds of errors, and the kind by person."""
    points, seen, kinds = points.copy(), seen.copy(), {}
    chosen = rng.permutation(len(points))[: int(share * len(points))]
    for place, n in enumerate(chosen.tolist()):
        kind = ("shifted", "mirrored", "wrong person", "missing")[place % 4]
        kinds[10 + n] = kind
        if kind == "shifted":
            joint, angle = rng.integers(6), rng.uniform(0, 6.3)
            points[n, joint] += 0.25 * sizes[n] * np.array([np.cos(angle), np.sin(angle)])
        elif kind == "mirrored":
            points[n], seen[n] = points[n][FLIP], seen[n][FLIP]
        elif kind == "wrong person":
            other = n + 1 if (n + 1) // EACH == n // EACH else n - 1
            points[n] = points[other]
        else:
            seen[n, rng.permutation(6)[:2]] = 0
    return points, seen, kinds


@pytest.fixture
def scene():
    rng = np.random.default_rng(8)
    points, sizes, boxes = people(rng)
    seen = np.full(points.shape[:2], 2)
    rows = results(points, sizes, boxes, rng)
    wrong, marks, kinds = plant(points, seen, sizes, rng)
    truth = read_annotations(
        content(wrong, marks, sizes, boxes), options=ReadOptions(for_scores=True)
    )
    return truth, rows, kinds, points


def test_planted_errors_are_found_by_their_kinds(scene):
    truth, rows, kinds, points = scene
    doubts = find_label_errors(truth, rows)
    said = {doubt.annotation_id: doubt.kind for doubt in doubts}
    for kind in ("shifted", "mirrored", "wrong person", "missing"):
        planted = {own for own, own_kind in kinds.items() if own_kind == kind}
        found = {own for own, own_kind in said.items() if own_kind == kind}
        assert len(found & planted) / len(planted) >= 0.75, kind
        assert len(found & planted) / max(1, len(found)) >= 0.75, kind
    for doubt in doubts:
        if doubt.annotation_id in kinds and doubt.kind == kinds[doubt.annotation_id]:
            n = doubt.annotation_id - 10
            apart = np.linalg.norm(doubt.keypoints[:, :2] - points[n], axis=1)
            assert np.median(apart) < 6, doubt


def test_doubts_are_ordered(scene):
    doubts = find_label_errors(*scene[:2])
    values = [doubt.doubt for doubt in doubts]
    assert values == sorted(values, reverse=True)
    assert 0 < min(values) <= max(values) <= 1


def test_right_labels_are_hardly_doubted():
    rng = np.random.default_rng(3)
    points, sizes, boxes = people(rng)
    seen = np.full(points.shape[:2], 2)
    truth = read_annotations(
        content(points, seen, sizes, boxes), options=ReadOptions(for_scores=True)
    )
    assert len(find_label_errors(truth, results(points, sizes, boxes, rng))) < 0.02 * len(points)


def test_people_too_many_and_too_few():
    rng = np.random.default_rng(5)
    points, sizes, boxes = people(rng)
    seen = np.full(points.shape[:2], 2)
    rows = results(points, sizes, boxes, rng)
    rows[4]["keypoints"][2::3] = [0.05] * 6  # nobody is seen where somebody is annotated
    rows[4]["score"] = 0.05
    truth = content(points, seen, sizes, boxes, gone=(7,))
    doubts = find_label_errors(read_annotations(truth, options=ReadOptions(for_scores=True)), rows)
    extra = [doubt for doubt in doubts if doubt.kind == "extra"]
    assert [(doubt.annotation_id, doubt.action) for doubt in extra] == [(14, "remove")]
    added = [doubt for doubt in doubts if doubt.action == "add"]
    assert [doubt.image_id for doubt in added] == [7 // EACH] or rows[7]["score"] < 0.8


def test_results_of_other_pictures_are_refused(scene):
    truth, rows, _, _ = scene
    away = [{**row, "center": [9e3, 9e3]} for row in rows]
    with pytest.raises(DataError, match="No prediction is near an annotated person"):
        find_label_errors(truth, away)
