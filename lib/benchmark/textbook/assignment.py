"""Textbook form of lib.codecs.assignment: cell by cell, on nested lists."""


def assign_cell_by_cell(cost):
    """Hungarian method on a (R, C) nested list, R <= C, visiting cells in the reference's order."""
    rows, n = len(cost), len(cost[0])
    grid = [[float(v) for v in row] for row in cost] + [[0.0] * n for _ in range(n - rows)]
    for row in grid:
        smallest = min(row)
        for j in range(n):
            row[j] -= smallest
    star = [-1] * n
    for i in range(n):
        for j in range(n):
            if grid[i][j] == 0.0 and star[i] < 0 and j not in star:
                star[i] = j
    while -1 in star:
        _augment(grid, star, n)
    return star[:rows]


def _augment(grid, star, n):
    prime = [-1] * n
    row_covered = [False] * n
    column_covered = [j in star for j in range(n)]
    start = (0, 0)
    while True:
        place = _find_zero(grid, row_covered, column_covered, start, n)
        if place is None:
            v = min(
                grid[i][j]
                for i in range(n)
                for j in range(n)
                if not row_covered[i] and not column_covered[j]
            )
            for i in range(n):
                for j in range(n):
                    if row_covered[i]:
                        grid[i][j] += v
                    if not column_covered[j]:
                        grid[i][j] -= v
            start = (0, 0)
            continue
        i, j = place
        prime[i] = j
        if star[i] < 0:
            break
        row_covered[i] = True
        column_covered[star[i]] = False
        start = (i, star[i])
    while True:
        owner = star.index(prime[i]) if prime[i] in star else -1
        star[i] = prime[i]
        if owner < 0:
            return
        i = owner


def _find_zero(grid, row_covered, column_covered, start, n):
    """First row with an open zero, and the last open zero of that row, both counted cyclically."""
    for di in range(n):
        i = (start[0] + di) % n
        last = None
        for dj in range(n):
            j = (start[1] + dj) % n
            if grid[i][j] == 0.0 and not row_covered[i] and not column_covered[j]:
                last = j
        if last is not None:
            return i, last
    return None
