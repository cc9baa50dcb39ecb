import numpy as np

from lib.datasets.synthetic.backdrop import (
    paint_occluder,
    paint_seat,
    paint_shadow,
    sample_place,
    scatter_clutter,
)
from lib.datasets.synthetic.canvas import NEUTRAL, Canvas


def test_places_fill_the_image_and_differ():
    rng = np.random.default_rng(9)
    places = [sample_place(rng, (61, 47)) for _ in range(6)]
    assert all(place.shape == (47, 61, 3) and place.dtype == np.uint8 for place in places)
    assert len({place.tobytes() for place in places}) == 6
    assert all(place.std() > 2 for place in places)


def test_things_behind_people_carry_no_label():
    rng = np.random.default_rng(10)
    canvas = Canvas(np.full((47, 61, 3), 90, np.uint8))
    scatter_clutter(rng, canvas, 40)
    assert canvas.labels.max() == 0
    assert canvas.image.std() > 5


def test_things_in_front_erase_labels():
    rng = np.random.default_rng(11)
    for _ in range(12):
        canvas = Canvas(np.full((97, 61, 3), 90, np.uint8))
        canvas.labels[:] = 5
        paint_occluder(rng, canvas, np.array([30.0, 48.0]), 60.0)
        assert 0 < (canvas.labels == 0).sum() < canvas.labels.size


def test_seats_and_shadows_leave_their_traces():
    rng = np.random.default_rng(12)
    canvas = Canvas(np.full((97, 61, 3), 90, np.uint8))
    paint_seat(rng, canvas, np.array([30.0, 40.0]), 80.0)
    assert (canvas.image != 90).any()
    paint_shadow(canvas, np.array([20.0, 90.0]), 12.0, 0.4)
    assert canvas.light[90, 20] < NEUTRAL
    assert canvas.light[5, 5] == NEUTRAL
