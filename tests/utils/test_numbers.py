import pytest

from lib.utils.numbers import mean_interval, number


def test_numbers_are_text_and_nothing_is_na():
    assert number(0.12345) == "0.123"
    assert number(None) == number(float("nan")) == number(float("inf")) == "n/a"
    assert number(0.5, 1, sign=True) == "+0.5"


def test_the_interval_of_a_mean_is_students():
    # t of 0.975 with 2 degrees of freedom is 4.303; the deviation of 1, 2 and 4 is 1.5275
    low, high = mean_interval([1, 2, 4])
    assert (low + high) / 2 == pytest.approx(7 / 3)
    assert (high - low) / 2 == pytest.approx(4.3027 * 1.5275 / 3**0.5, rel=1e-4)
