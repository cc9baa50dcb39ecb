import numpy as np

from lib.datasets.selection import joints_near_crop_centre


def test_by_hand():
    crops = np.tile([100.0, 100, 40, 90], (4, 1))  # deviation 12 px
    keypoints = np.zeros((4, 3, 2))
    keypoints[0] = [110, 100]  # exp(-100 / 288) = 0.707
    keypoints[1] = [116, 100]  # exp(-256 / 288) = 0.411
    keypoints[2, :2] = [100, 116]  # the unseen joint at (0, 0) does not count
    keypoints[3] = [100, 100]
    visible = np.array([[1, 1, 1], [1, 1, 1], [2, 1, 0], [0, 0, 0]])
    assert joints_near_crop_centre(crops, keypoints, visible).tolist() == [
        True,
        False,
        False,
        False,
    ]
    # Two joints need exp(-d^2 / 288) > 0.4625, that is d < 14.9 px; three need > 0.475, d < 14.6.
    keypoints[2, :2] = [100, 114.8]
    keypoints[0] = [100, 114.8]
    assert joints_near_crop_centre(crops, keypoints, visible).tolist() == [
        False,
        False,
        True,
        False,
    ]


def test_golden(shared):
    people = np.load(shared / "golden/data/coco_val_items.npz")
    expected = np.load(shared / "golden/data/coco_train_items.npz")["select_data_kept"]
    crops = np.concatenate([people["db_center"], people["db_scale"] * 200], axis=1)
    kept = joints_near_crop_centre(crops, people["db_joints"][..., :2], people["db_vis"][..., 0])
    np.testing.assert_array_equal(kept, expected)
