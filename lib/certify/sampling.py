"""Which images are predicted again, and how surely a change among them is seen.

Images are drawn without replacement, each with a probability of its own, by the pivotal method
(Deville and Tille 1998). Its draws are negatively dependent (Srinivasan 2001): all images of a set
escape with at most the product of their probabilities to escape alone. The *size* of an image is
how much of the score it can carry. Letters: I images.
"""

from __future__ import annotations

import math

import numpy as np

POWERS = (0.0, 0.5, 1.0)  # of the sizes: all alike, to in proportion
NEVER = 40.0  # minus the logarithm of a probability that is none


def plan(sizes: np.ndarray, count: int, least: int) -> np.ndarray:
    """Return the (I,) probabilities of being drawn that see changed images most surely.

    Args:
        sizes: (I,) whole numbers; images of size 0 are never drawn.
        count: images to draw.
        least: size that the changed images have together, at least.
    """
    plans = [inclusion(np.where(sizes > 0, sizes**power, 0.0), count) for power in POWERS]
    return max(plans, key=lambda shares: detection_rate(shares, sizes, least))


def inclusion(sizes: np.ndarray, count: int) -> np.ndarray:
    """Return (I,) probabilities proportional to sizes that sum up to ``count``.

    None is above 1, and all are 1 if there are no more images than that; 0 for a size of 0.
    """
    certain = np.zeros(len(sizes), bool)
    shares = (sizes > 0).astype(np.float64)
    while count < np.count_nonzero(sizes > 0):
        rest = ~certain
        shares = np.where(
            certain, 1.0, (count - certain.sum()) * sizes / max(sizes[rest].sum(), 1e-300)
        )
        sure = rest & (shares >= 1)
        if not sure.any():
            break
        certain |= sure
    return np.minimum(shares, 1.0)


def draw(shares: np.ndarray, seed: int) -> np.ndarray:
    """Return the images that are drawn, ascending.

    Args:
        shares: (I,) probabilities of ``inclusion``.
        seed: of the draw.
    """
    random = np.random.default_rng(seed)
    drawn = np.flatnonzero(shares >= 1).tolist()
    open_ones = random.permutation(np.flatnonzero((shares > 0) & (shares < 1))).tolist()
    held, weight = -1, 0.0  # the image whose lot is not settled yet, and its share
    for image, luck in zip(open_ones, random.uniform(size=len(open_ones)).tolist(), strict=True):
        share = float(shares[image])
        total = weight + share
        if total < 1:  # one of the two is out, the other goes on with both shares
            held, weight = (held if luck * total < weight else image), total
        else:  # one of the two is in, the other goes on with the rest
            chosen_held = luck * (2 - total) < 1 - share
            drawn.append(held if chosen_held else image)
            held, weight = (image if chosen_held else held), total - 1
    if weight > 0.5:  # 1 but for rounding
        drawn.append(held)
    return np.sort(np.array(drawn, np.int64))


def detection_rate(shares: np.ndarray, sizes: np.ndarray, least: int) -> float:
    """Return a lower bound of the probability that a changed image is drawn.

    It holds for every choice of changed images, were it made with all knowledge but the draw's: of
    all ways to take images of size ``least`` together, as often as one likes, the one that is
    likeliest to escape.

    Args:
        shares: (I,) probabilities of being drawn.
        sizes: (I,) whole numbers, sizes of the images.
        least: size that the changed images have together, at least.
    """
    if least > sizes.sum():
        return 1.0
    return 1 - math.exp(-escape_costs(shares, sizes, NEVER, least)[-1])


def sure_size(shares: np.ndarray, sizes: np.ndarray, rate: float) -> int:
    """Return the least size of changed images whose ``detection_rate`` is at least ``rate``."""
    costs = escape_costs(shares, sizes, -math.log(1 - rate), int(sizes.sum()) + 1)
    return len(costs) - 1


def sure_count(shares: np.ndarray, rate: float) -> int:
    """Return how many images, whichever, must be changed for one to be drawn with ``rate``."""
    least = shares[shares > 0].min(initial=1.0)
    return 1 if least >= rate else math.ceil(math.log1p(-rate) / math.log1p(-least))


def images_for(sizes: np.ndarray, least: int, rate: float) -> int:
    """Return how many images must be drawn for ``detection_rate`` to be at least ``rate``."""
    low, high = 1, max(1, int(np.count_nonzero(sizes)))
    while low < high:
        middle = (low + high) // 2
        if detection_rate(plan(sizes, middle, least), sizes, least) >= rate:
            high = middle
        else:
            low = middle + 1
    return low


def escape_costs(shares: np.ndarray, sizes: np.ndarray, enough: float, most: int) -> list[float]:
    """Return minus the logarithms of how likely images of size 0, 1, ... together can escape.

    Args:
        shares: (I,) probabilities of being drawn.
        sizes: (I,) whole numbers.
        enough: the list ends with the first that is at least this.
        most: or with this size.
    """
    with np.errstate(divide="ignore"):
        costs = np.minimum(-np.log1p(-shares), NEVER)
    cheapest = [(s, float(costs[sizes == s].min())) for s in np.unique(sizes[sizes > 0]).tolist()]
    found = [0.0]
    while len(found) <= most and found[-1] < enough:
        size = len(found)
        found.append(min(found[max(size - s, 0)] + c for s, c in cheapest))
    return found
