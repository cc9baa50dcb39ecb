"""Numbers stay with people who move, cross, vanish for a while."""

import numpy as np

from lib.video.tracking import OksTracker, pose_areas

SIGMAS = (0.05,) * 5
BODY = np.array([[0, 0], [10, 0], [5, 20], [0, 40], [10, 40]], np.float32)
SURE = np.ones((2, 5))


def walk(tracker, frames):
    return [tracker.update(np.array(f).reshape(-1, 5, 2), np.ones((len(f), 5))) for f in frames]


def test_people_who_cross_keep_their_numbers_whatever_their_order():
    frames = []
    for step in range(21):
        pair = [BODY + np.array([4 * step, 0]), BODY + np.array([80 - 4 * step, 6])]
        frames.append(pair if step % 2 else pair[::-1])
    numbers = walk(OksTracker(SIGMAS), frames)
    first, second = numbers[0]
    for step, found in enumerate(numbers):
        expected = [second, first] if step % 2 else [first, second]
        assert found.tolist() == expected, step


def test_who_comes_back_soon_is_known_and_who_comes_late_is_new():
    tracker = OksTracker(SIGMAS, patience=3)
    assert [n.tolist() for n in walk(tracker, [[BODY], [], [], [BODY + 1]])] == [[1], [], [], [1]]
    assert [n.tolist() for n in walk(tracker, [[], [], [], [], [BODY]])][-1] == [2]


def test_one_who_is_far_away_is_somebody_else():
    assert [n.tolist() for n in walk(OksTracker(SIGMAS), [[BODY], [BODY + 300]])] == [[1], [2]]


def test_unsure_joints_do_not_count():
    tracker = OksTracker(SIGMAS)
    tracker.update(BODY[None], SURE[:1])
    wild = BODY.copy()
    wild[0] += 500
    scores = np.array([[0.1, 1, 1, 1, 1]])
    assert tracker.update(wild[None], scores).tolist() == [1]


def test_areas():
    assert pose_areas(BODY[None]).tolist() == [400]
    assert pose_areas(np.zeros((1, 5, 2))).tolist() == [1]
    assert pose_areas(np.zeros((0, 5, 2))).shape == (0,)
