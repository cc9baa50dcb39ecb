"""Which positives the keypoint branch trains on; the rest is tested through the network."""

import torch

from lib.models.rcnn.roi_heads import has_joint_inside

BOXES = torch.tensor([[10.0, 10, 20, 30]]).expand(5, 4)


def test_a_labelled_joint_inside_the_proposal():
    joints = torch.zeros(5, 2, 3)
    joints[:, 0] = torch.tensor([99.0, 99, 2])  # always outside
    joints[0, 1] = torch.tensor([15.0, 15, 1])
    joints[1, 1] = torch.tensor([15.0, 15, 0])  # not labelled
    joints[2, 1] = torch.tensor([20.0, 30, 2])  # on the corner
    joints[3, 1] = torch.tensor([20.1, 30, 2])
    joints[4, 1] = torch.tensor([15.0, 9.9, 2])
    assert has_joint_inside(joints, BOXES).tolist() == [True, False, True, False, False]
    assert has_joint_inside(joints[:0], BOXES[:0]).shape == (0,)
