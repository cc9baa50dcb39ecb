"""Textbook form of associative-embedding targets and losses: person by person, joint by joint."""

import numpy as np


def heatmaps(people, side, sigmas):
    """(K, S, S) from people (P, K, 3) in cells; ``sigmas`` has one entry per person."""
    maps = np.zeros((people.shape[1], side, side))
    for person, sigma in zip(people, sigmas, strict=True):
        for k, (x, y, v) in enumerate(person):
            x0, y0 = int(x), int(y)
            if v <= 0 or not (0 <= x0 < side and 0 <= y0 < side):
                continue
            for row in range(side):
                for column in range(side):
                    if max(abs(row - y0), abs(column - x0)) <= 3 * sigma + 1:
                        d2 = (column - x0) ** 2 + (row - y0) ** 2
                        maps[k, row, column] = max(
                            maps[k, row, column], np.exp(-d2 / (2 * sigma**2))
                        )
    return maps


def tag_indices(people, side, max_people, tag_per_joint):
    """(N, K, 2) of at most ``max_people`` people."""
    rows = np.zeros((max_people, people.shape[1], 2), np.int64)
    for n, person in enumerate(people):
        t = 0
        for k, (x, y, v) in enumerate(person):
            x0, y0 = int(x), int(y)
            if v > 0 and 0 <= x0 < side and 0 <= y0 < side:
                rows[n, t] = (k * side**2 * tag_per_joint + y0 * side + x0, 1)
                t += 1
    return rows


def tag_loss(tags, indices, kind):
    """Push and pull of one image: flat tags (D * S * S,) and indices (N, K, 2)."""
    means, pulls = [], []
    for person in indices:
        own = [tags[i] for i, used in person if used]
        if own:
            means.append(np.mean(own))
            pulls.append(np.mean((np.array(own) - means[-1]) ** 2))
    n = len(means)
    if n == 0:
        return 0.0, 0.0
    push = 0.0
    for i in range(n):
        for j in range(n):
            d = abs(means[i] - means[j])
            push += np.exp(-(d**2)) if kind == "exp" else max(0.0, 1 - d)
    push = 0.5 * (push - n) / (n * (n - 1)) if n > 1 else 0.0
    return push, float(np.mean(pulls))
