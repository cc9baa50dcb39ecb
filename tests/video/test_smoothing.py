"""The filter steadies what trembles and follows what moves."""

import math

import numpy as np

from lib.video.smoothing import PoseSmoother

BODY = np.array([[0, 0], [30, 0], [15, 60], [0, 120], [30, 120]], np.float64)
ONE = np.array([7])


def run(frames, **options):
    smoother = PoseSmoother(25.0, **options)
    return np.array([smoother.update(ONE, frame[None])[0] for frame in frames])


def test_trembling_is_less():
    noise = np.random.default_rng(0).normal(size=(80, 5, 2))
    steady = run(BODY + noise)
    assert (steady[20:] - BODY).std() < 0.6 * noise[20:].std()


def test_motion_is_followed_closely():
    frames = np.array([BODY + np.array([12 * step, 0]) for step in range(30)])
    assert np.abs(run(frames) - frames)[10:].max() < 12
    assert np.abs(run(frames, slope=0.0) - frames)[10:].max() > 24


def test_second_frame_by_hand():
    moved = BODY + np.array([3.0, 0.0])
    size = math.sqrt(30 * 120)
    speed = (1 / (1 + 25 / (2 * math.pi))) * 3 / size * 25
    cutoff = 1.0 + 3.0 * speed
    expected = 3 / (1 + 25 / (2 * math.pi * cutoff))
    np.testing.assert_allclose(run([BODY, moved])[1] - BODY, [[expected, 0]] * 5, atol=1e-9)


def test_people_are_filtered_by_their_numbers_and_forgotten():
    smoother = PoseSmoother(25.0, patience=2)
    far = BODY + 1000
    smoother.update(np.array([1, 2]), np.stack([BODY, far]))
    swapped = smoother.update(np.array([2, 1]), np.stack([far, BODY]))
    np.testing.assert_allclose(swapped, np.stack([far, BODY]))
    for _ in range(3):
        smoother.update(np.zeros(0, int), np.zeros((0, 5, 2)))
    np.testing.assert_array_equal(smoother.update(np.array([1]), far[None])[0], far)
