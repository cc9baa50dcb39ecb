import numpy as np
import pytest

from lib.evaluation import motion


def test_a_parabola_has_the_acceleration_of_its_formula():
    time = np.arange(6.0)
    truth = np.zeros((6, 2, 2))
    truth[:, 0, 0] = 3 * time  # steady
    found = truth.copy()
    found[:, 0, 1] += 2 * time**2
    labelled = np.ones((6, 2), bool)
    errors = motion.acceleration_errors(found, truth, labelled)
    assert errors.shape == (4, 2)
    assert errors[:, 0] == pytest.approx(4.0)
    assert errors[:, 1] == pytest.approx(0.0)
    assert motion.jitter(found)[:, 0] == pytest.approx(0.0)


def test_a_cubic_has_a_jerk_and_gaps_are_left_out():
    found = np.zeros((7, 1, 2))
    found[:, 0, 1] = np.arange(7.0) ** 3
    assert motion.jitter(found)[:, 0] == pytest.approx(6.0)
    found[0] = np.nan
    assert np.isnan(motion.jitter(found)[:, 0]).tolist() == [True, False, False, False]
    labelled = np.ones((7, 1), bool)
    labelled[6] = False
    errors = motion.acceleration_errors(found, np.zeros((7, 1, 2)), labelled)
    assert np.isnan(errors[:, 0]).tolist() == [True, False, False, False, True]
    assert motion.jitter(found[:3]).shape == (0, 1)
