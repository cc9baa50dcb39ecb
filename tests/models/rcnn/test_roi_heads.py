"""Which regions the keypoint branch sees, and where its joints are counted from."""

import pytest
import torch
from textbook import roi as textbook
from tinyrcnn import target, tiny_rcnn

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


def grown(box, share=0.15):
    """The box with each side moved out by a share of its length."""
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    return [x1 - share * width, y1 - share * height, x2 + share * width, y2 + share * height]


def maps():
    return {
        name: torch.zeros(2, 16, 96 // stride, 128 // stride)
        for name, stride in (("0", 4), ("1", 8), ("2", 16), ("3", 32))
    }


def test_positives_grow_and_every_joint_is_learnt_in_the_grown_box_of_its_person():
    """Logits that know each joint's cell of the grown box give no loss, others would."""
    people = target([[20, 10, 70, 90], [80, 20, 120, 80]])
    people["keypoints"][1, 1:] = 0
    people["keypoints"][1, 0] = torch.tensor([81.0, 30, 2])
    other = target([[5, 5, 45, 85]])
    # The last one would take in its person's only joint, but not before it has grown.
    proposals = [[22.0, 12, 70, 92], [84, 20, 124, 80]]
    wanted = [(people, 0, [20, 10, 70, 90]), (people, 0, proposals[0])]
    wanted += [(people, 1, [80, 20, 120, 80]), (other, 0, [5, 5, 45, 85])]
    seen = []

    def perfect(features, regions):
        seen.extend(torch.cat(regions).tolist())
        logits = torch.zeros(len(seen), 5, 56, 56)
        for row, region in enumerate(seen):
            whose, person, _ = next(w for w in wanted if grown(w[2]) == pytest.approx(region))
            for k, joint in enumerate(whose["keypoints"][person]):
                logits[row, k].view(-1)[textbook.encode(joint, region, 56)[0]] = 50
        return logits

    heads = tiny_rcnn().roi_heads.train()
    heads.keypoint_logits = perfect
    boxes = [torch.tensor(proposals), torch.zeros(0, 4)]
    _, losses = heads(maps(), boxes, [(96, 128)] * 2, [people, other])
    assert len(seen) == len(wanted)
    assert losses["loss_keypoint"] == 0


def test_joints_found_are_counted_from_the_grown_box():
    heads = tiny_rcnn({"TEST": {"DECODE": "fast", "SCORE_THRESH": 0.0}}).roi_heads.eval()
    row, column, seen = 10, 45, []

    def peak(features, regions):
        seen.extend(torch.cat(regions).tolist())
        logits = torch.zeros(len(seen), 5, 56, 56)
        logits[..., row, column] = 9
        return logits

    heads.keypoint_logits = peak
    proposals = [torch.tensor([[20.0, 10, 70, 90]]), torch.tensor([[0.0, 0, 128, 96]])]
    with torch.no_grad():
        found, _ = heads(maps(), proposals, [(96, 128)] * 2)
    boxes = torch.cat([f["boxes"] for f in found]).tolist()
    points = torch.cat([f["keypoints"] for f in found])[..., :2].tolist()
    assert len(boxes) == 2
    for box, region, joints in zip(boxes, seen, points, strict=True):
        assert region == pytest.approx(grown(box), abs=1e-4)
        x1, y1, x2, y2 = region
        x = x1 + (column + 0.5) * (x2 - x1) / 56
        y = y1 + (row + 0.5) * (y2 - y1) / 56
        for joint in joints:
            assert joint == pytest.approx([x, y], abs=1e-3)
