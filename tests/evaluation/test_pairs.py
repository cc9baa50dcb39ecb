import numpy as np
import pytest
from textbook.random_coco import varied_coco

from lib.evaluation import pairs
from lib.evaluation.table import read_table


def reference_similarity(table, d, g, sigmas):
    """One pair, in the order of pycocotools' sums."""
    dx, dy = (table.found[d] - table.truth[g]).T
    visible = table.visible[g]
    if not visible.any():
        x, y, w, h = table.boxes[g]
        dx = np.maximum(0, x - w - table.found[d, :, 0]) + np.maximum(
            0, table.found[d, :, 0] - (x + w * 2)
        )
        dy = np.maximum(0, y - h - table.found[d, :, 1]) + np.maximum(
            0, table.found[d, :, 1] - (y + h * 2)
        )
    e = (dx**2 + dy**2) / (sigmas * 2) ** 2 / (table.areas[g] + np.spacing(1)) / 2
    e = e[visible] if visible.any() else e
    return np.sum(np.exp(-e)) / e.shape[0]


def test_similarities_equal_the_reference_to_the_last_bit(monkeypatch):
    monkeypatch.setattr(pairs, "CHUNK_PAIRS", 7)
    for seed in range(12):
        dataset, rows, sigmas = varied_coco(seed)
        table, sigmas = read_table(dataset, rows, sigmas)
        found = pairs.pose_pairs(table, sigmas, least=0.0)
        wanted = {
            (d, g): reference_similarity(table, d, g, sigmas)
            for d in range(len(table.found))
            for g in range(len(table.truth))
            if table.found_cell[d] == table.truth_cell[g]
        }
        places = zip(found.found.tolist(), found.truth.tolist(), strict=True)
        assert dict(zip(places, found.overlaps.tolist(), strict=True)) == wanted
        near = pairs.pose_pairs(table, sigmas)
        assert len(near.found) == sum(value >= 0.5 for value in wanted.values())


def test_dense_similarities_are_the_same():
    dataset, rows, sigmas = varied_coco(3)
    table, sigmas = read_table(dataset, rows, sigmas)
    every = pairs.pose_pairs(table, sigmas, least=0.0).overlaps
    dense = [
        pairs.mean_similarity(pairs.similarities(image, sigmas), image.visible).ravel()
        for image in table.images()
    ]
    assert np.concatenate(dense) == pytest.approx(every, abs=1e-12)


def test_overlaps_of_boxes_by_hand():
    found = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 0, 0]])
    truth = np.array([[5.0, 0, 10, 10], [5, 0, 10, 10], [10, 0, 10, 10], [0, 0, 0, 0]])
    crowd = np.array([False, True, False, False])
    assert pairs.box_overlaps(found, truth, crowd).tolist() == [50 / 150, 0.5, 0.0, 0.0]
