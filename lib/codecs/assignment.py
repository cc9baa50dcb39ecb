"""Minimum-cost assignment with a fixed choice among equally good assignments.

Associative embedding (Newell et al. 2017, Sec. 3.3) assigns detections to people by rounded tag
distances, so many assignments cost the same, and which one a solver returns decides who gets a
joint. The reference results come from one particular order of visiting zeros in the Hungarian
method (Kuhn 1955; Munkres 1957); ``solve_in_reference_order`` keeps that order, down to the
rounding of the intermediate costs. ``solve_any`` is faster and returns some best assignment.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Solver = Callable[[np.ndarray], np.ndarray]


def solve_any(cost: np.ndarray) -> np.ndarray:
    """Assign rows to columns at least total cost; ties are broken in no particular way.

    Args:
        cost: (R, C) float with R <= C.

    Returns:
        (R,) int64: the column of each row.
    """
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(cost)[1].astype(np.int64)


def solve_in_reference_order(cost: np.ndarray) -> np.ndarray:
    """Assign rows to columns at least total cost, with the reference's choice among ties.

    Args:
        cost: (R, C) float with R <= C; missing rows count as rows of zeros.

    Returns:
        (R,) int64: the column of each row.
    """
    rows, columns = cost.shape
    if rows > columns:
        raise ValueError(f"needs at least as many columns as rows, got {cost.shape}")
    square = np.zeros((columns, columns))
    square[:rows] = cost
    square -= square.min(axis=1, keepdims=True)
    star = _first_stars(square)
    while (star < 0).any():
        prime, row = _find_unstarred_zero(square, star)
        _flip_path(star, prime, row)
    return star[:rows]


def _first_stars(square: np.ndarray) -> np.ndarray:
    """Star, row by row, the first zero whose column has no star; -1 where there is none."""
    star = np.full(len(square), -1)
    free = np.ones(len(square), bool)
    for row, zeros in enumerate(square == 0.0):
        candidates = zeros & free
        column = int(candidates.argmax())
        if candidates[column]:
            star[row] = column
            free[column] = False
    return star


def _find_unstarred_zero(square: np.ndarray, star: np.ndarray) -> tuple[np.ndarray, int]:
    """Prime zeros, lowering ``square`` where none is left, until one lies in a row without star.

    Returns:
        (n,) the primed column of each row, -1 where there is none, and the row where it ended.
    """
    prime = np.full(len(square), -1)
    row_open = np.ones(len(square), bool)
    column_open = np.ones(len(square), bool)
    column_open[star[star >= 0]] = False
    start_row, start_column = 0, 0
    while True:
        zeros = (square == 0.0) & row_open[:, None] & column_open
        hits = np.flatnonzero(zeros.any(axis=1))
        if not len(hits):
            _lower(square, row_open, column_open)
            start_row, start_column = 0, 0
            continue
        row = int(hits[np.searchsorted(hits, start_row) % len(hits)])  # cyclic from start_row
        column = _last_in_cycle(np.flatnonzero(zeros[row]), start_column)
        prime[row] = column
        if star[row] < 0:
            return prime, row
        row_open[row] = False
        column_open[star[row]] = True
        start_row, start_column = row, int(star[row])


def _last_in_cycle(columns: np.ndarray, start: int) -> int:
    """Return the last of the sorted ``columns`` when counting cyclically from ``start``."""
    below = int(np.searchsorted(columns, start))
    return int(columns[below - 1])  # below == 0 wraps round to the largest


def _lower(square: np.ndarray, row_open: np.ndarray, column_open: np.ndarray) -> None:
    """Make a new zero among the open cells, in the two steps whose rounding is the reference's."""
    smallest = square[row_open][:, column_open].min()
    square[~row_open] += smallest
    square[:, column_open] -= smallest


def _flip_path(star: np.ndarray, prime: np.ndarray, row: int) -> None:
    """Star the primes and unstar the stars along the alternating path that ends in ``row``."""
    while True:
        column = prime[row]
        owner = np.flatnonzero(star == column)
        star[row] = column
        if not len(owner):
            return
        row = int(owner[0])


SOLVERS: dict[str, Solver] = {"munkres": solve_in_reference_order, "scipy": solve_any}
