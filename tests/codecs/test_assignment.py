import numpy as np
import pytest

from lib.benchmark.textbook.assignment import assign_cell_by_cell
from lib.codecs.assignment import SOLVERS, solve_any, solve_in_reference_order


def tie_heavy(seed):
    """Rounded distances x 100 minus a score per row, some columns for nobody, as grouping asks."""
    rng = np.random.default_rng(seed)
    columns = int(rng.integers(1, 14))
    rows = int(rng.integers(1, columns + 1))
    cost = rng.integers(0, rng.choice([2, 4, 30]), (rows, columns)) * 100.0
    if seed % 3:
        cost -= rng.random((rows, 1))
    if seed % 4 == 0:
        cost[:, rng.integers(0, columns) :] = 1e10
    return cost


def total(cost, columns):
    return cost[np.arange(len(cost)), columns].sum()


@pytest.mark.parametrize("block", range(4))
def test_equals_the_cell_by_cell_form(block):
    for seed in range(60 * block, 60 * (block + 1)):
        cost = tie_heavy(seed)
        assert solve_in_reference_order(cost).tolist() == assign_cell_by_cell(cost.tolist()), seed


def test_costs_no_more_than_any_best_assignment():
    for seed in range(300):
        cost = tie_heavy(seed)
        ours = solve_in_reference_order(cost)
        assert len(set(ours)) == len(ours)
        assert total(cost, ours) == pytest.approx(total(cost, solve_any(cost)), abs=1e-4)


@pytest.mark.parametrize(
    ("cost", "columns"),
    [
        # Facts of the reference order; where all is equal, zeros are starred from the left.
        ([[0.0, 0.0, 0.0]], [0]),
        ([[0.0, 0.0], [0.0, 0.0]], [0, 1]),
        ([[100.0, 100.0, 100.0], [0.0, 0.0, 100.0]], [0, 1]),
        ([[0.0, 100.0, 200.0], [0.0, 100.0, 200.0]], [0, 1]),
        ([[0.0, 100.0, 100.0], [0.0, 100.0, 100.0], [0.0, 100.0, 100.0]], [0, 2, 1]),
        ([[0.0, 1.0, 1.0, 2.0], [0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]], [0, 3, 1]),
    ],
)
def test_choice_among_equal_costs(cost, columns):
    assert solve_in_reference_order(np.array(cost)).tolist() == columns
    assert assign_cell_by_cell(cost) == columns


def test_the_two_solvers_differ_only_in_ties():
    cost = np.array([[0.3, 7.0, 2.0], [4.0, 0.1, 9.0]])
    assert [solve(cost).tolist() for solve in SOLVERS.values()] == [[0, 1], [0, 1]]


def test_more_rows_than_columns_is_refused():
    with pytest.raises(ValueError, match="as many columns as rows"):
        solve_in_reference_order(np.zeros((3, 2)))
