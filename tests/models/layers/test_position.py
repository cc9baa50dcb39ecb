"""Tables of positions: against the reference's, and which grid a table is of."""

import numpy as np
import pytest
import torch

from lib.models.layers.position import resize_bias, resize_table, source_grid


def test_equal_to_the_reference(shared):
    file = np.load(shared / "golden" / "mmpose" / "position_table.npz")
    tables = {name: torch.from_numpy(file[name]) for name in file}
    found = resize_table(tables["mae_197"], (16, 12), extra=1)
    torch.testing.assert_close(found, tables["to_16x12"], atol=1e-5, rtol=0)
    larger = resize_table(tables["to_16x12"][:, 1:], (24, 18))
    torch.testing.assert_close(larger, tables["from_16x12_to_24x18"], atol=1e-5, rtol=0)


def test_rows_stay_rows():
    ramp = torch.arange(4.0)[:, None].expand(4, 3).reshape(1, 12, 1)  # the row's number
    found = resize_table(ramp, (8, 6)).reshape(8, 6)
    assert torch.allclose(found, found[:, :1].expand(8, 6), atol=1e-5)
    assert (found[1:, 0] > found[:-1, 0]).all()


def test_entries_without_a_patch_are_kept_or_dropped():
    table = torch.randn(1, 1 + 9, 2)
    kept = resize_table(table, (4, 5), extra=1)
    assert kept.shape == (1, 21, 2)
    assert torch.equal(kept[:, 0], table[:, 0])
    dropped = resize_table(table, (4, 5))
    assert torch.equal(dropped, kept[:, 1:])
    bare = table[:, 1:]
    assert resize_table(bare, (4, 5), extra=1) is bare  # no class token to be had


@pytest.mark.parametrize(
    ("entries", "extra", "wanted"),
    [
        (197, 0, (1, (14, 14))),
        (196, 0, (0, (14, 14))),
        (192, 0, (0, (16, 12))),
        (193, 0, (1, (16, 12))),
        (49, 0, (0, (7, 7))),
        (49, 1, (1, (8, 6))),
        (23, 0, None),
    ],
)
def test_grid_of_a_table(entries, extra, wanted):
    assert source_grid(entries, extra) == wanted


def test_unknown_grids_and_equal_ones_pass():
    odd, equal = torch.randn(1, 23, 2), torch.randn(1, 9, 2)
    assert resize_table(odd, (4, 3)) is odd
    assert resize_table(equal, (3, 3)) is equal


def test_half_precision_keeps_its_type():
    assert resize_table(torch.randn(1, 9, 2).half(), (4, 3)).dtype == torch.float16


def test_bias_of_windows_that_are_not_square():
    table = torch.randn(13 * 13, 3)
    assert resize_bias(table, (13, 13)) is table
    assert resize_bias(torch.randn(23, 3), (13, 13)).shape == (23, 3)
    narrow = resize_bias(table, (13, 11)).reshape(13, 11, 3)
    ramp = torch.arange(13.0)[:, None].expand(13, 13).reshape(-1, 1)
    found = resize_bias(ramp, (13, 11)).reshape(13, 11)
    assert narrow.shape == (13, 11, 3)
    assert torch.allclose(found, torch.arange(13.0)[:, None].expand(13, 11), atol=1e-5)
