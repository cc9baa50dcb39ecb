"""Whole checks of made claims: see ``made_world``. An honest one passes, a false one fails."""

import numpy as np
import pytest
from certify.made_world import World, nearer, one_joint, to_truth

from lib.certify.checking import compare_scores

TRIALS = 100


@pytest.fixture(scope="module")
def world():
    return World()


def in_order(world, kind):
    """Return numbers of rows, in the order in which somebody would change them."""
    errors = [
        np.linalg.norm(np.array(row["keypoints"]).reshape(-1, 3)[:, :2] - truth, axis=1).mean()
        for row, truth in zip(world.rows, world.truth_of(), strict=True)
    ]
    crowd = [int(world.boxes[(row["image_id"] - 7) // 2]) for row in world.rows]
    keys = {
        "the worst first": lambda n: -errors[n],
        "where few people are": lambda n: (crowd[n], -errors[n]),
        "anywhere": lambda n: hash((n, 1)) % 1009,
    }
    return sorted(range(len(errors)), key=keys[kind])


INFLATIONS = {
    "the worst poses put right": (to_truth, "the worst first"),
    "poses put right in images of few": (to_truth, "where few people are"),
    "any poses put right": (to_truth, "anywhere"),
    "poses moved a tenth nearer": (nearer, "anywhere"),
    "one joint put right": (one_joint, "anywhere"),
}


def test_an_honest_claim_passes(world):
    found = [world.check(world.rows, seed) for seed in range(10)]
    assert all(verdict.holds for verdict in found)
    assert any(verdict.ties for verdict in found)  # another machine did decide ties otherwise
    assert all(verdict.drawn == 200 and verdict.total == 344 for verdict in found)
    assert found[0].slack < 0.001
    assert 0.5 < found[0].rate < 1


@pytest.mark.slow
def test_an_honest_claim_passes_100_of_100(world):
    assert all(world.check(world.rows, seed).holds for seed in range(TRIALS))


def refused(world, rows, trials, **options):
    found = [world.check(rows, seed, **options) for seed in range(trials)]
    return sum(not verdict.holds for verdict in found), found[0].rate


def at_least(rate, trials):
    """Return the count below which a rate is refuted at four deviations."""
    return trials * rate - 4 * (trials * rate * (1 - rate)) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("kind", INFLATIONS)
def test_inflation_by_0_3_points_is_refused_at_the_told_rate(world, kind):
    change, order = INFLATIONS[kind]
    rows = world.raised(change, in_order(world, order))
    count, rate = refused(world, rows, TRIALS)
    assert rate >= 0.5
    assert count >= at_least(rate, TRIALS)


def test_spread_inflation_is_always_seen(world):
    rows = world.raised(nearer, in_order(world, "anywhere"))
    assert refused(world, rows, 10)[0] == 10


def test_more_images_make_it_surer(world):
    rows = world.raised(to_truth, in_order(world, "where few people are"))
    needed = world.check(world.rows, 0).needed
    count, rate = refused(world, rows, 20, images=needed)
    assert rate >= 0.95
    assert count >= 18
    assert refused(world, rows, 5, images=344) == (5, 1.0)


def test_other_weights_or_boxes_behind_the_same_hashes_are_seen(world):
    """Then everything is a little different."""
    other = World(seed=1)
    count, _ = refused(world, world.rows, 10, predict=other.machine(0))
    assert count == 10

    def shifted(images, noise, seed):
        rows = world.machine(0)(images, noise, seed)
        return [{**row, "keypoints": [v + 0.05 for v in row["keypoints"]]} for row in rows]

    assert refused(world, world.rows, 10, predict=shifted)[0] == 10


def test_hidden_and_invented_poses_are_seen(world):
    images = {row["image_id"] for row in world.rows[:40]}
    hidden = [row for row in world.rows if row["image_id"] not in images]
    assert refused(world, hidden, 5)[0] == 5
    invented = world.rows + [{**row, "score": 0.01} for row in world.rows[:40]]
    assert refused(world, invented, 5)[0] == 5


def test_a_false_score_is_seen_without_predicting(world):
    numbers = world.evidence(world.rows).numbers
    assert compare_scores(numbers, numbers) == []
    (fault,) = compare_scores({**numbers, "AP": numbers["AP"] + 0.003}, numbers)
    assert "AP is told to be" in fault
    assert compare_scores({n: v for n, v in numbers.items() if n != "AR"}, numbers)
    unknown = {**numbers, "AP (M)": float("nan")}
    assert compare_scores({**numbers, "AP (M)": None}, unknown) == []
    assert compare_scores({**numbers, "AP (M)": 0.5}, unknown)


def test_a_place_that_no_run_gives_is_no_tie(world):
    """The noise forgives ties alone: a joint put elsewhere, few as they are, is refused."""
    rows = list(world.rows)
    for n in range(0, len(rows), 160):
        numbers = list(rows[n]["keypoints"])
        numbers[0] += 30
        rows[n] = {**rows[n], "keypoints": numbers}
    verdict = world.check(rows, 0, images=344)
    assert len(verdict.changed) == len(range(0, len(rows), 160))
