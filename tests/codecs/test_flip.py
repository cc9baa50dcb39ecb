import numpy as np
import pytest
import torch

from lib.benchmark.textbook import heatmaps as textbook
from lib.codecs.flip import flip_back, flip_fraction, merge_flipped, shift_right
from lib.structures import load_skeleton

COCO = load_skeleton("coco")
INDEX = torch.tensor(COCO.flip_index)


def test_flip_back_equals_the_loop():
    heatmaps = np.random.default_rng(0).random((2, 17, 5, 7))
    expected = textbook.flip_back(heatmaps, COCO.flip_pairs)
    assert np.array_equal(flip_back(torch.tensor(heatmaps), INDEX), expected)


def test_shift_by_hand():
    row = torch.tensor([1.0, 2, 4, 8])
    assert shift_right(row, 1).tolist() == [1, 1, 2, 4]
    assert shift_right(row, 0.75).tolist() == [1, 1.25, 2.5, 5]
    assert shift_right(row, 0).tolist() == [1, 2, 4, 8]
    assert row.tolist() == [1, 2, 4, 8]


def test_merge_is_the_mean():
    heatmaps, mirrored = torch.rand(2, 2, 17, 5, 7)
    merged = merge_flipped(heatmaps, mirrored, INDEX, 0.5)
    expected = (heatmaps + shift_right(flip_back(mirrored, INDEX), 0.5)) / 2
    torch.testing.assert_close(merged, expected)


def test_fractions():
    assert [flip_fraction("exact", stride) for stride in (1, 2, 4)] == [0, 0.5, 0.75]
    assert (flip_fraction("integer", 4), flip_fraction("none", 4)) == (1, 0)
    with pytest.raises(ValueError, match="align"):
        flip_fraction("half", 4)
