from lib.utils.numbers import number


def test_numbers_are_text_and_nothing_is_na():
    assert number(0.12345) == "0.123"
    assert number(None) == number(float("nan")) == number(float("inf")) == "n/a"
    assert number(0.5, 1, sign=True) == "+0.5"
