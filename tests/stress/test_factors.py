"""What factors do to pictures and truth."""

import numpy as np
import pytest
from dotted import GROUND, SHADES, VIEWS, read_dots

from lib.stress.factors import FACTORS


def changed(name, level, number=0, other=3):
    return FACTORS[name].apply(VIEWS[number], level, (0, number), VIEWS[other])


@pytest.mark.parametrize("name", list(FACTORS))
def test_first_level_leaves_the_view_alone(name):
    assert changed(name, FACTORS[name].levels[0]) is VIEWS[0]


@pytest.mark.parametrize("name", list(FACTORS))
def test_all_levels_keep_pictures_and_numbers_sound(name):
    for level in FACTORS[name].levels:
        view = changed(name, level, number=1)
        assert view.image.dtype == np.uint8
        assert view.image.ndim == 3
        assert view.image.size
        assert np.isfinite(view.joints).all()
        assert view.area > 0
        assert (view.box[2:] > view.box[:2]).all()


@pytest.mark.parametrize(("name", "level"), [("truncation", 0.35), ("truncation", 0.1)])
def test_joints_go_with_their_pixels(name, level):
    for number in range(4):
        view = changed(name, level, number)
        known = view.joints[:, 2] > 0
        assert 5 < known.sum() < 17
        found = read_dots(view.image, view.box)
        inner = known & (view.joints[:, :2] > 2).all(axis=1)
        inner &= (view.joints[:, :2] < np.array(view.image.shape[1::-1]) - 3).all(axis=1)
        assert np.abs(found - view.joints[:, :2])[inner].max() < 0.51


@pytest.mark.parametrize("level", [90.0, 180.0])
def test_turned_joints_lie_on_their_dots(level):
    view = changed("rotation", level)
    found = np.round(view.joints[:, :2]).astype(int)
    shades = view.image[found[:, 1], found[:, 0], 0].astype(int)
    assert np.abs(shades - SHADES).max() <= 2
    sides = np.sort(view.box[2:] - view.box[:2])
    assert sides == pytest.approx([90, 150], abs=1e-6)


def test_covered_share_is_the_level_and_hides_joints():
    view = changed("occlusion", 0.4)
    differs = (view.image != VIEWS[0].image).any(axis=2).sum()
    assert differs / (90 * 150) == pytest.approx(0.4, abs=0.02)
    hidden = view.joints[:, 2] == 1
    assert 0 < hidden.sum() < 17
    assert np.array_equal(view.joints[:, :2], VIEWS[0].joints[:, :2])


def test_shrunk_people_keep_their_measure():
    view = changed("size", 64.0)
    assert view.side == pytest.approx(64)
    assert view.area / VIEWS[0].area == pytest.approx((64 / 150) ** 2)


def test_neighbours_cover_and_do_not_count():
    view = changed("overlap", 0.4)
    assert len(view.others) == 1
    assert view.other_areas[0] == pytest.approx(VIEWS[3].area)
    assert (view.joints[:, 2] == 1).any()
    assert len(changed("crowding", 3.0).others) == 3
    assert (view.image != VIEWS[0].image).any()
    assert (VIEWS[0].image == GROUND).any()


def test_box_error_moves_the_box_alone():
    view = changed("box error", 0.2)
    assert view.image is VIEWS[0].image
    assert view.joints is VIEWS[0].joints
    moved = np.linalg.norm(((view.box - VIEWS[0].box).reshape(2, 2).mean(axis=0)) / [90, 150])
    assert moved == pytest.approx(0.2)
