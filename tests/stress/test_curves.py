"""Planted blind spots show in their curves; where nothing changes, nothing moves."""

import itertools

import pytest
from dotted import SKELETON, VIEWS, model, read_dots

from lib.stress.curves import response_curve
from lib.stress.factors import FACTORS
from lib.stress.view import View


def values(curve, key="AP"):
    return [point.numbers[key].value for point in curve.points]


def curve_of(name, find, **options):
    return response_curve(
        name, FACTORS[name], VIEWS, model(find), SKELETON, **({"resamples": 20} | options)
    )


def test_identity_is_flat_and_intervals_hold_the_value():
    curve = curve_of("identity", read_dots)
    assert curve.points[0].numbers == curve.points[1].numbers
    assert values(curve) == [1.0, 1.0]
    assert curve.points[1].of_clean.value == 1.0


def test_a_model_that_ignores_the_lower_half_does_not_feel_it_covered():
    blind = lambda image, box: read_dots(image, box, lower=False)  # noqa: E731
    lower, upper = curve_of("lower part covered", blind), curve_of("upper part covered", blind)
    whole = curve_of("lower part covered", read_dots)
    assert values(lower, "PCK nose") == [1.0] * 5
    assert values(lower, "good")[0] == values(lower, "good")[3]  # covered to 0.45: unseen anyway
    assert values(upper, "good")[3] < 0.5 * values(upper, "good")[0]
    assert values(whole, "good")[3] < 0.7 * values(whole, "good")[0] == pytest.approx(0.7)
    assert values(lower, "PCK left_ankle")[0] < 0.5  # and its joints say so


def test_a_model_that_breaks_below_forty_pixels_shows_where():
    calls = itertools.count()  # views come one after the other, level by level

    def breaks(image, box):
        view, scale = VIEWS[next(calls) % len(VIEWS)], (box[3] - box[1]) / 150
        exact = box[:2] + (view.joints[:, :2] - view.box[:2]) * scale
        return exact + 30 * scale if (box[2:] - box[:2]).max() < 40 else exact

    found = dict(zip(FACTORS["size"].levels, values(curve_of("size", breaks)), strict=True))
    assert found[1e4] == found[64.0] == 1.0
    assert found[24.0] < 0.3


def test_same_seed_same_curve_and_another_seed_another():
    first = curve_of("occlusion", read_dots)
    assert curve_of("occlusion", read_dots) == first
    assert curve_of("occlusion", read_dots, seed=5) != first
    assert values(first, "good") == sorted(values(first, "good"), reverse=True)


def test_calibration_error_is_the_distance_of_scores_from_right_ones():
    curve = curve_of("identity", read_dots)  # all right, all scored 0.9
    assert values(curve, "calibration error") == pytest.approx([0.1, 0.1], abs=1e-6)


def test_people_of_one_picture_are_drawn_together():
    one = [View(**{**vars(view), "group": 3}) for view in VIEWS]
    curve = response_curve(
        "occlusion", FACTORS["occlusion"], one, model(read_dots), SKELETON, resamples=9
    )
    for point in curve.points:  # a single picture is every draw
        ap = point.numbers["AP"]
        assert ap.low == ap.high == ap.value
