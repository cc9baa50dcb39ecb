"""What a caller of ``PoseEstimator`` may hand in, and what mistakes are called."""

import cv2
import numpy as np
import pytest

from lib.api import PoseEstimator
from lib.config import load_config
from lib.utils.errors import DataError

IMAGE = np.full((50, 70, 3), 90, np.uint8)


@pytest.fixture
def estimator(tiny_config):
    return PoseEstimator.from_config(load_config(tiny_config), device="cpu")


def test_a_file_that_opencv_could_not_read(estimator, tmp_path):
    with pytest.raises(DataError, match=r"image is None.*check the path"):
        estimator.predict(cv2.imread(str(tmp_path / "none.jpg")), boxes=[[10, 20, 40, 50]])
    with pytest.raises(DataError, match="image is None"):
        estimator.predict_batch([IMAGE, None])


@pytest.mark.parametrize(
    ("image", "boxes", "message"),
    [
        ("photo.jpg", None, "got str"),
        (IMAGE[..., 0], None, r"got \(50, 70\) uint8"),
        (IMAGE / 255, None, "got .* float64"),
        (IMAGE[:0], None, r"got \(0, 70, 3\)"),
        (IMAGE, [1, 2, 3, 4], r"got \(4,\)"),
        (IMAGE, [[1, 2, 3, 4], [5]], "numbers x1, y1"),
        (IMAGE, [["a", 1, 2, 3]], "numbers x1, y1"),
        (IMAGE, [[1, 2, 3, float("nan")]], "finite"),
    ],
)
def test_arguments_of_another_kind(estimator, image, boxes, message):
    with pytest.raises(ValueError, match=message):
        estimator.predict(image, boxes)


def test_boxes_may_be_lists_arrays_or_nothing(estimator):
    (pose,) = estimator.predict(IMAGE, [[10, 20, 40, 50]])
    (same,) = estimator.predict(IMAGE, np.array([[10, 20, 40, 50]], np.float32))
    np.testing.assert_array_equal(pose.keypoints, same.keypoints)
    assert estimator.predict(IMAGE, []) == []
    (whole,) = estimator.predict(IMAGE)
    np.testing.assert_array_equal(whole.box, [0, 0, 70, 50])


def test_a_box_without_area_or_outside_the_image_still_gives_finite_joints(estimator):
    for pose in estimator.predict(IMAGE, [[10, 20, 10, 20], [900, 900, 950, 990]]):
        assert np.isfinite(pose.keypoints).all()
