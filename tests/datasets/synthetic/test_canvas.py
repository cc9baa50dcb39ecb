import numpy as np
import pytest

from lib.datasets.synthetic.canvas import NEUTRAL, Canvas, capsule, disc, ellipse, hull

RED = (0, 0, 255)


def blank(width=61, height=47):
    return Canvas(np.zeros((height, width, 3), np.uint8))


def centroid(weights):
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()


@pytest.mark.parametrize("centre", [(20.0, 30.0), (20.5, 30.25), (31.8, 17.1)])
def test_a_painted_disc_is_centred_on_its_coordinate_and_has_its_area(centre):
    canvas = blank()
    canvas.paint(disc(np.array(centre), 6.0).outline, RED)
    weights = canvas.image[..., 2] / 255.0
    np.testing.assert_allclose(centroid(weights), centre, atol=0.06)
    assert weights.sum() == pytest.approx(np.pi * 36, rel=0.05)


def test_labels_and_light_lie_where_the_colour_lies():
    canvas = blank()
    centre = np.array([24.0, 20.0])
    assert canvas.solid(disc(centre, 9.0), RED, 7)
    np.testing.assert_allclose(centroid(canvas.labels == 7), centre, atol=0.2)
    assert set(np.unique(canvas.labels)) == {0, 7}
    lit = canvas.light != NEUTRAL
    assert (lit & (canvas.image[..., 2] == 0)).sum() == 0
    assert canvas.light[20, 24] > canvas.light[20, 16]  # bright middle, dark rim


def test_light_moves_toward_the_lamp():
    canvas = blank()
    canvas.solid(disc(np.array([24.0, 20.0]), 10.0), RED, 1, lamp=(1.0, 0.0))
    bright = canvas.light == canvas.light[canvas.labels == 1].max()
    assert centroid(bright)[0] > 25.0


def test_a_capsule_ends_on_its_ends():
    start, end = np.array([10.0, 12.0]), np.array([50.0, 32.0])
    shape = capsule(start, end, (4.5, 4.5, 4.5))
    along = (end - start) / np.linalg.norm(end - start)
    distance = (shape.outline - start) @ along
    assert distance.min() == pytest.approx(-4.0)
    assert distance.max() == pytest.approx(np.linalg.norm(end - start) + 4.0)
    across = (shape.outline - start) @ np.array([-along[1], along[0]])
    assert abs(across).max() == pytest.approx(4.0)
    np.testing.assert_allclose(shape.outline.mean(axis=0), (start + end) / 2)


def test_a_limb_that_points_at_the_viewer_is_a_disc():
    point = np.array([10.0, 12.0])
    shape = capsule(point, point, (5.5, 5.5, 5.5))
    np.testing.assert_allclose(np.linalg.norm(shape.outline - point, axis=1), 5.0)


def test_an_ellipse_follows_its_matrix():
    shape = ellipse(np.array([30.0, 20.0]), np.array([[8.0, 0.0], [0.0, 3.0]]))
    np.testing.assert_allclose(shape.outline.max(axis=0), [38.0, 23.0], atol=0.05)
    np.testing.assert_allclose(shape.outline.min(axis=0), [22.0, 17.0], atol=0.05)


def test_a_hull_keeps_its_corners_and_shrinks_toward_its_axis():
    corners = np.array([[10.0, 5.0], [30.0, 5.0], [30.0, 40.0], [10.0, 40.0], [20.0, 20.0]])
    shape = hull(corners, np.array([[20.0, 5.0], [20.0, 40.0]]))
    assert len(shape.outline) == 4
    assert shape.reach == pytest.approx(10.0)
    np.testing.assert_allclose(shape.core[:, 0], 20.0)


def test_a_solid_outside_the_image_is_not_painted():
    canvas = blank()
    assert not canvas.solid(disc(np.array([200.0, 20.0]), 9.0), RED, 1)
    assert canvas.image.sum() == 0
    assert canvas.labels.sum() == 0


def test_cloth_covers_the_shape_and_nothing_else():
    canvas = blank()
    shape = disc(np.array([28.0, 22.0]), 15.0)
    canvas.solid(shape, (10, 10, 10), 3)
    before = canvas.image.copy()
    tile = np.zeros((64, 64, 3), np.uint8)
    tile[:, ::2] = 255
    canvas.weave(shape, np.array([[28.0, 7.0], [28.0, 37.0]]), tile, 3.0)
    changed = (canvas.image != before).any(axis=-1)
    assert changed.sum() > 300
    assert not (changed & (canvas.labels != 3)).any()


def test_cloth_at_the_border_of_the_image_is_cut():
    canvas = blank()
    shape = disc(np.array([0.0, 46.0]), 12.0)
    tile = np.full((64, 64, 3), 200, np.uint8)
    canvas.weave(shape, np.array([[0.0, 40.0], [0.0, 52.0]]), tile, 1.0)
    assert canvas.image[46, 0, 0] == 200
    assert canvas.image[10, 30, 0] == 0
