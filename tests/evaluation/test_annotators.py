import numpy as np
import pytest

from lib.annotations.reading import ReadOptions, read_annotations
from lib.evaluation.annotators import measure_sigmas
from lib.utils.errors import DataError

JOINTS = ["head", "left_paw", "right_paw", "tail", "never"]
SPREADS = np.array([0.02, 0.05, 0.08, 0.12, 0.05])


def truth(people, seed=0):
    """Return people of different sizes, two a picture; their last joint is never labelled."""
    rng = np.random.default_rng(seed)
    sides = rng.uniform(40, 300, people)
    corners = rng.uniform(0, 50, (people, 2)) + np.array([[0, 0], [500, 0]])[np.arange(people) % 2]
    points = corners[:, None] + rng.uniform(0.1, 0.9, (people, 5, 2)) * sides[:, None, None]
    return points, sides**2, rng.uniform(size=(people, 5)) < 0.9


def annotate(points, areas, seen, seed, spreads=SPREADS, order=1):
    """Return annotations whose root mean square distance is ``spreads`` times the size."""
    rng = np.random.default_rng(1000 + seed)
    noise = (
        rng.normal(size=points.shape) / np.sqrt(2) * (spreads * np.sqrt(areas)[:, None])[..., None]
    )
    rows = []
    for n, (joints, area) in enumerate(zip(points + noise, areas, strict=True)):
        marks = seen[n] * 2
        marks[-1] = 0
        flat = [float(v) for p, m in zip(joints, marks, strict=True) for v in (*p, m)]
        side = float(np.sqrt(area))
        row = {"id": n + 1, "image_id": n // 2, "category_id": 1, "keypoints": flat}
        rows.append(row | {"area": float(area), "bbox": [0, 0, side, side], "iscrowd": 0})
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in range((len(points) + 1) // 2)]
    category = {"id": 1, "name": "cat", "keypoints": JOINTS}
    content = {"images": images, "annotations": rows[::order], "categories": [category]}
    return read_annotations(content, options=ReadOptions(for_scores=True))


def test_known_spreads_are_recovered_within_five_per_cent():
    points, areas, seen = truth(900)
    parts = [annotate(points, areas, seen, k, order=(-1) ** k) for k in range(5)]
    found = measure_sigmas(parts, confidence=0.999)
    sigmas = np.array([spread.sigma for spread in found])
    np.testing.assert_allclose(sigmas[:4], SPREADS[:4], rtol=0.05)
    assert np.isnan(sigmas[4])
    assert found[4].people == 0
    for spread, wanted in zip(found[:4], SPREADS, strict=False):
        assert spread.low < wanted < spread.high
        assert spread.high - spread.low < 0.15 * wanted
        assert spread.per_axis == pytest.approx(spread.sigma / np.sqrt(2))


def test_two_annotators_are_enough():
    points, areas, seen = truth(2000)
    found = measure_sigmas([annotate(points, areas, seen, k) for k in range(2)])
    np.testing.assert_allclose([s.sigma for s in found[:4]], SPREADS[:4], rtol=0.05)


def test_intervals_hold_the_truth_as_often_as_they_say():
    hits = 0
    for seed in range(40):
        points, areas, seen = truth(40, seed)
        parts = [annotate(points, areas, seen, 7 * seed + k) for k in range(3)]
        spread = measure_sigmas(parts, confidence=0.8, resamples=200)[1]
        hits += spread.low < SPREADS[1] < spread.high
    assert 24 <= hits <= 38  # 32 expected; 3 standard deviations are 7.6


def test_swapped_sides_are_outliers():
    points, areas, seen = truth(300)
    parts = [annotate(points, areas, seen, k) for k in range(3)]
    swapped = points.copy()
    swapped[:20, [1, 2]] = points[:20, [2, 1]]
    parts[2] = annotate(swapped, areas, seen, 2)
    found = measure_sigmas(parts)
    assert found[1].outliers > 5
    np.testing.assert_allclose([s.sigma for s in found[:4]], SPREADS[:4], rtol=0.2)


def test_mistakes_are_one_sentence():
    points, areas, seen = truth(6)
    one = annotate(points, areas, seen, 0)
    with pytest.raises(DataError, match="at least twice: give several files"):
        measure_sigmas([one])
    away = annotate(points + 5000, areas, seen, 1)
    with pytest.raises(DataError, match="Nobody in the ground truth is annotated in another file"):
        measure_sigmas([one, away])
