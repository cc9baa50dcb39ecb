"""Colours and sharpness: drawn by key, applied as said, off unless asked for."""

import cv2
import numpy as np
import pytest

from lib.config.photometric import PRESETS, RANGES, operations, photometric_node
from lib.datasets.keys import keyed_generator
from lib.datasets.photometric import (
    OPERATIONS,
    STREAM,
    Distortion,
    Operation,
    distort,
    draw_distortion,
)

ALL = {name: Operation(1.0, *ends) for name, ends in RANGES.items()}
HALF = {name: Operation(0.5, *ends) for name, ends in RANGES.items()}


def picture():
    pixels = np.random.default_rng(3).integers(0, 256, (40, 52, 3)).astype(np.uint8)
    return cv2.GaussianBlur(pixels, (0, 0), 2.5)


def draw(key, chosen):
    return draw_distortion(keyed_generator(*key, STREAM), chosen)


def test_the_key_alone_decides():
    keys = [(1, 2, 3), (1, 2, 3), (1, 3, 3), (1, 3, 2), (2, 2, 3)]
    drawn = [draw(key, ALL) for key in keys]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 4
    shown = distort(picture(), drawn[0])
    np.testing.assert_array_equal(shown, distort(picture(), drawn[1]))
    assert (shown != distort(picture(), drawn[2])).any()


def test_streams_of_a_key_differ():
    first = keyed_generator(1, 2, 3).random(4)
    assert not np.isin(keyed_generator(1, 2, 3, STREAM).random(4), first).any()


def test_an_operation_does_not_move_the_others():
    for key in [(1, 0, n) for n in range(40)]:
        both = draw(key, {"BLUR": HALF["BLUR"], "HUE": HALF["HUE"]})
        one = draw(key, {"BLUR": HALF["BLUR"]})
        assert both.blur == one.blur
        assert one.hue == 0


def test_probabilities_and_ranges():
    drawn = [draw((7, 0, n), HALF) for n in range(3000)]
    for name, low, high in [
        ("brightness", -32, 32),
        ("contrast", 0.5, 1.5),
        ("saturation", 0.5, 1.5),
        ("noise", 2, 15),
        ("blur", 0.5, 2),
        ("low_resolution", 0.25, 0.75),
    ]:
        rest = getattr(Distortion(), name)
        values = np.array([getattr(one, name) for one in drawn])
        done = values[values != rest]
        assert len(done) / len(values) == pytest.approx(0.5, abs=0.03), name
        assert low <= done.min() < low + 0.03 * (high - low), name
        assert high - 0.03 * (high - low) < done.max() <= high, name
    sides, counts = np.unique([one.median_blur for one in drawn], return_counts=True)
    assert sides.tolist() == [1, 3, 5, 7]
    assert counts / len(drawn) == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6], abs=0.03)
    hues = {one.hue for one in drawn}
    assert hues == set(range(-8, 9))  # OpenCV's steps of two degrees, cut toward 0


def test_nothing_is_done_without_operations():
    pixels = picture()
    assert draw((1, 2, 3), {}) == Distortion(noise_seed=draw((1, 2, 3), ALL).noise_seed)
    assert distort(pixels, draw((1, 2, 3), {})) is pixels


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_changes_pixels_and_leaves_its_input(name):
    pixels = picture()
    before = pixels.copy()
    drawn = draw((0, 0, 5), {name: ALL[name]})
    shown = distort(pixels, drawn)
    np.testing.assert_array_equal(pixels, before)
    assert shown.shape == pixels.shape
    assert shown.dtype == np.uint8
    assert (shown != pixels).any()


def test_levels_by_hand():
    pixels = np.array([[[0, 100, 128]], [[129, 200, 255]]], np.uint8)
    shown = distort(pixels, Distortion(brightness=10, contrast=1.5))
    np.testing.assert_array_equal(shown, [[[0, 96, 138]], [[140, 246, 255]]])


def test_hue_goes_round_the_circle():
    red = np.full((3, 5, 3), (0, 0, 255), np.uint8)
    np.testing.assert_array_equal(distort(red, Distortion(hue=60))[0, 0], [0, 255, 0])
    np.testing.assert_array_equal(distort(red, Distortion(hue=-60))[0, 0], [255, 0, 0])
    np.testing.assert_array_equal(distort(red, Distortion(saturation=0))[0, 0], [255] * 3)
    np.testing.assert_array_equal(distort(red, Distortion(saturation_shift=-255))[0, 0], [255] * 3)
    np.testing.assert_array_equal(distort(red, Distortion(value_shift=-55))[0, 0], [0, 0, 200])


def test_grey_has_equal_colours():
    shown = distort(picture(), Distortion(grey=1.0))
    assert (shown == shown[..., :1]).all()
    half = distort(picture(), Distortion(grey=0.5)).astype(int)
    assert np.abs(half - (picture().astype(int) + shown) / 2).max() <= 1


def test_a_hole_covers_its_share():
    white = np.full((50, 30, 3), 255, np.uint8)
    shown = distort(white, Distortion(hole=(0.1, 0.5, 0.3, 0.2)))
    rows, columns = np.nonzero((shown == 0).all(axis=2))
    assert (rows.min(), rows.max()) == (25, 34)
    assert (columns.min(), columns.max()) == (3, 11)
    assert (shown == 0).sum() == 10 * 9 * 3


def test_noise_has_its_deviation():
    grey = np.full((90, 70, 3), 128, np.uint8)
    shown = distort(grey, Distortion(noise=9.0, noise_seed=4)).astype(float)
    assert shown.std() == pytest.approx(9, rel=0.03)
    assert shown.mean() == pytest.approx(128, abs=0.3)
    other = distort(grey, Distortion(noise=9.0, noise_seed=5))
    assert (other != shown).mean() > 0.5


def test_presets():
    node = photometric_node()
    assert operations(node) == {}
    node.PRESET = "own"
    assert operations(node) == {}
    node.JPEG.PROB = 0.25
    assert operations(node) == {"JPEG": (0.25, 20.0, 80.0)}
    node.PRESET = "rtmpose"
    node.DROPOUT.PROB = 0.5
    node.BOX_BLUR.PROB = 0.0
    assert operations(node) == {
        "HUE": (0.5, -10.0, 10.0),  # five of OpenCV's steps
        "SATURATION_SHIFT": (0.5, -30.0, 30.0),
        "VALUE_SHIFT": (0.5, -30.0, 30.0),
        "MEDIAN_BLUR": (0.1, 3.0, 7.0),
        "DROPOUT": (0.5, 0.2, 0.4),
        "JPEG": (0.25, 20.0, 80.0),
    }
    node.HUE.RANGE = [-4.0, 4.0]
    assert operations(node)["HUE"] == (0.5, -4.0, 4.0)
    assert all(chances.keys() <= set(OPERATIONS) for chances in PRESETS.values())
    assert set(RANGES) == set(OPERATIONS)
