import numpy as np
import pytest

from lib.datasets.synthetic.body import rotation
from lib.datasets.synthetic.head import seen_from_front

FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


@pytest.mark.parametrize(
    ("yaw", "seen"),
    [
        (0, {*FACE}),
        (45, {"nose", "left_eye", "right_eye", "right_ear"}),
        (90, {"nose", "right_eye", "right_ear"}),
        (-90, {"nose", "left_eye", "left_ear"}),
        (180, {"left_ear", "right_ear"}),
    ],
)
def test_what_is_seen_of_a_face_depends_on_where_it_looks(yaw, seen):
    head = rotation(0.0, 0.0, yaw)
    assert {joint for joint in FACE if seen_from_front(head, joint)} == seen


def test_a_mirrored_head_shows_the_mirrored_face():
    for yaw in np.arange(-170, 180, 20):
        one, other = rotation(0.0, 10.0, yaw), rotation(0.0, 10.0, -yaw)
        assert seen_from_front(one, "left_eye") == seen_from_front(other, "right_eye")
        assert seen_from_front(one, "left_ear") == seen_from_front(other, "right_ear")
