import numpy as np
import pytest
import torch

from lib.benchmark.textbook import grouping as textbook
from lib.benchmark.textbook.scenes import scene
from lib.codecs.refinement import (
    _search_on_device,
    _search_on_host,
    adjust,
    mean_tags,
    quarter_shift,
    refine,
)


def some_people(heatmaps, tags, rng, count=5):
    """People whose joints lie anywhere, a third of them missing."""
    joints, height, width = heatmaps.shape
    people = np.zeros((count, joints, 3 + tags.shape[3]), np.float32)
    for person in people:
        for j in range(joints):
            if j == 0 or rng.random() > 0.33:
                x, y = int(rng.integers(width)), int(rng.integers(height))
                person[j] = (x, y, 0.5, *tags[j if len(tags) > 1 else 0, y, x])
    return people


@pytest.mark.parametrize("size", [(16, 16), (5, 3), (33, 47), (70, 18), (150, 201)])
@pytest.mark.parametrize("shared", [False, True])
def test_refine_equals_whole_map_search(size, shared):
    rng = np.random.default_rng(7)
    heatmaps = torch.from_numpy(rng.normal(0, 0.1, (4, *size)).astype(np.float32))
    tags = torch.from_numpy(rng.normal(0, 2, (1 if shared else 4, *size, 2)).astype(np.float32))
    people = some_people(heatmaps, tags.numpy(), rng)
    wanted = [textbook.refine(heatmaps.numpy(), tags.numpy(), person) for person in people]
    np.testing.assert_array_equal(refine(heatmaps, tags, people), np.stack(wanted))


def test_first_of_equal_cells_wins_across_tiles():
    heatmaps = torch.zeros(2, 40, 40)
    tags = torch.zeros(2, 40, 40, 1)
    heatmaps[1, 3, 30] = heatmaps[1, 20, 2] = heatmaps[1, 3, 39] = 0.5  # first in raster: (30, 3)
    people = np.zeros((1, 2, 4), np.float32)
    people[0, 0] = (5, 5, 1, 0)
    assert refine(heatmaps, tags, people)[0, 1, :3].tolist() == [30.25, 3.25, 0.5]


@pytest.mark.parametrize("column", range(8))
def test_first_of_equal_cells_wins_in_whichever_round_it_is_weighed(column):
    heatmaps = torch.zeros(2, 128, 128)
    heatmaps[1, 9::16, 9::16] = 0.5
    heatmaps[1, 9, 9 + 16 * column] = 0.0
    heatmaps[1, 3, 9 + 16 * column] = 0.5
    people = np.zeros((1, 2, 4), np.float32)
    people[0, 0] = (5, 5, 1, 0)
    found = refine(heatmaps, torch.zeros(2, 128, 128, 1), people)
    assert found[0, 1, :2].tolist() == [9 + 16 * column + 0.25, 3.25]


def test_nothing_positive_nothing_added():
    heatmaps = torch.full((2, 6, 7), -0.25)
    people = np.zeros((1, 2, 4), np.float32)
    people[0, 0] = (5, 5, 1, 0)
    np.testing.assert_array_equal(refine(heatmaps, torch.zeros(2, 6, 7, 1), people), people)


def test_search_forms_agree():
    rng = np.random.default_rng(1)
    heatmaps, tags = scene(5, people=5, size=(50, 61))
    joints = rng.integers(0, 17, 40)
    wanted = rng.normal(0, 1.5, (40, 2)).astype(np.float32)
    host, device = (
        search(heatmaps, tags, joints, wanted) for search in (_search_on_host, _search_on_device)
    )
    np.testing.assert_array_equal(host[0], device[0])
    np.testing.assert_array_equal(host[1], device[1])


def test_shift_goes_to_the_higher_neighbour_and_minus_when_equal():
    heat = torch.zeros(1, 3, 4)
    heat[0, 1, 2] = 1.0
    cells = torch.tensor([[1, 1], [3, 1], [2, 0], [2, 2], [0, 0], [3, 2]])
    shift = quarter_shift(heat, torch.zeros(6, dtype=torch.int64), cells) * 4
    assert shift.tolist() == [[1, -1], [-1, -1], [-1, 1], [-1, -1], [-1, -1], [-1, -1]]


def test_adjust_moves_found_joints_only():
    heatmaps, tags = scene(2, people=2, size=(30, 41))
    people = some_people(heatmaps, tags.numpy(), np.random.default_rng(3))
    wanted = textbook.adjust(heatmaps, people)
    np.testing.assert_array_equal(adjust(heatmaps, people), wanted)
    assert (wanted[:, 0, :2] != people[:, 0, :2]).all()
    np.testing.assert_array_equal(wanted[people[:, :, 2] == 0], 0)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_mean_tags_round_as_single_means_do(length):
    rng = np.random.default_rng(length)
    tags = rng.normal(0, 100, (13, 17, length)).astype(np.float32)
    counts = rng.integers(1, 18, 13)
    single = [np.mean(list(own[:n]), axis=0) for own, n in zip(tags, counts, strict=True)]
    np.testing.assert_array_equal(mean_tags(tags, counts), np.stack(single))
