import itertools

import numpy as np
import pytest

from lib.certify.sampling import (
    detection_rate,
    draw,
    images_for,
    inclusion,
    plan,
    sure_count,
    sure_size,
)

SIZES = np.array([1, 0, 2, 7, 3, 1, 20, 2])


def test_probabilities_are_in_proportion_up_to_certainty():
    shares = inclusion(SIZES, 3)
    assert shares.sum() == pytest.approx(3)
    assert shares[6] == 1  # more than its part
    assert shares[1] == 0
    assert shares[3] == pytest.approx(7 * shares[0])
    assert inclusion(SIZES, 100).tolist() == [1, 0, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("count", [1, 3, 5, 7, 50])
def test_draws_have_their_size_and_probabilities(count):
    shares = inclusion(SIZES, count)
    drawn = [draw(shares, seed) for seed in range(4000)]
    assert {len(images) for images in drawn} == {min(count, 7)}
    assert all(np.array_equal(images, np.unique(images)) for images in drawn)
    found = np.bincount(np.concatenate(drawn), minlength=len(SIZES)) / len(drawn)
    assert np.abs(found - shares).max() < 0.035  # four deviations


def test_the_same_seed_draws_the_same_images():
    shares = inclusion(SIZES, 3)
    assert draw(shares, 5).tolist() == draw(shares, 5).tolist()
    assert len({tuple(draw(shares, seed)) for seed in range(50)}) > 5


def test_no_set_of_images_escapes_more_often_than_told():
    """All sets of these images, and how often none of them is drawn."""
    for power in (0, 1):
        shares = inclusion(np.where(SIZES > 0, SIZES**power, 0), 3)
        drawn = np.zeros((4000, len(SIZES)), bool)
        for seed, row in enumerate(drawn):
            row[draw(shares, seed)] = True
        for count in (1, 2, 3):
            for chosen in itertools.combinations(range(len(SIZES)), count):
                escaped = 1 - drawn[:, chosen].any(axis=1).mean()
                alone = np.prod(1 - shares[list(chosen)])
                assert escaped <= alone + 0.032
                size = int(SIZES[list(chosen)].sum())
                if size:
                    assert 1 - escaped >= detection_rate(shares, SIZES, size) - 0.032


def test_rates_by_hand():
    sizes = np.array([1, 1, 1, 1, 2, 2])
    alike = inclusion(np.ones(6), 3)
    assert detection_rate(alike, sizes, 1) == pytest.approx(0.5)
    assert detection_rate(alike, sizes, 3) == pytest.approx(0.75)  # of 1 + 2 or 2 + 2
    assert detection_rate(alike, sizes, 9) == 1  # there is no such set
    assert sure_size(alike, sizes, 0.7) == 3
    assert sure_count(alike, 0.7) == 2
    assert detection_rate(inclusion(sizes, 4), sizes, 1) == pytest.approx(0.5)


def test_a_plan_is_the_best_for_what_is_looked_for():
    sizes = np.array([1] * 50 + [10] * 50)
    for least in (1, 10, 40):
        best = detection_rate(plan(sizes, 30, least), sizes, least)
        assert best >= detection_rate(inclusion(np.ones(100), 30), sizes, least)
        assert best >= detection_rate(inclusion(sizes, 30), sizes, least)
    assert plan(sizes, 30, 1)[0] == pytest.approx(0.3)
    assert plan(sizes, 30, 40)[0] < 0.2


def test_enough_images_make_it_sure():
    sizes = np.random.default_rng(0).integers(0, 9, 300)
    for least, rate in ((3, 0.5), (20, 0.95)):
        needed = images_for(sizes, least, rate)
        assert detection_rate(plan(sizes, needed, least), sizes, least) >= rate
        assert detection_rate(plan(sizes, needed - 1, least), sizes, least) < rate
