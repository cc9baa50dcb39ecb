import time

import numpy as np
import pytest
import torch
from torchvision.ops import nms

from lib.benchmark.textbook import oks as textbook
from lib.evaluation import oks
from lib.structures.skeleton import load_skeleton

COCO = np.array(load_skeleton("coco").sigmas)


def scene(people, joints=17, images=1, seed=0):
    """Random poses of which many nearly repeat an earlier one of their image."""
    rng = np.random.default_rng(seed)
    image_ids = rng.integers(0, images, people) * 7 + 3
    shapes = rng.uniform(0, 200, (images, 3, joints, 2))
    keypoints = shapes[(image_ids - 3) // 7, rng.integers(0, 3, people)]
    keypoints = (keypoints + rng.normal(0, 6, keypoints.shape)).astype(np.float32)
    areas = rng.uniform(2e3, 4e4, people)
    scores = rng.uniform(0, 1, people).astype(np.float32)
    return image_ids, keypoints, scores, areas


def test_oks_of_a_hand_computed_pair():
    reference = np.array([[[10.0, 20.0], [0.0, 0.0]]])
    candidate = np.array([[[13.0, 24.0], [0.0, 0.0]]])  # first joint 5 px away, second exact
    found = oks.oks_matrix(
        reference, candidate, np.array([80.0]), np.array([120.0]), np.array([0.5, 0.1])
    )
    assert found == pytest.approx(np.array([[(np.exp(-25 / 1.0 / 100 / 2) + 1) / 2]]), abs=1e-12)


@pytest.mark.parametrize("filtered", [False, True])
def test_oks_matrix_equals_the_textbook(filtered):
    _, keypoints, _, areas = scene(11, joints=5)
    visible = np.random.default_rng(1).uniform(size=(11, 5)) > 0.5 if filtered else None
    if visible is not None:
        visible[4] = False
    sigmas = COCO[:5]
    found = oks.oks_matrix(keypoints[:3], keypoints, areas[:3], areas, sigmas, visible=visible)
    wanted = [
        textbook.oks_row(keypoints[i], keypoints, areas[i], areas, sigmas, visible)
        for i in range(3)
    ]
    assert found.shape == (3, 11)
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    if filtered:
        assert (found[:, 4] == 0).all()


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("threshold", [0.3, 0.7, 0.9])
@pytest.mark.parametrize("filtered", [False, True])
def test_nms_by_image_equals_the_textbook(soft, threshold, filtered, monkeypatch):
    monkeypatch.setattr(oks, "CHUNK_ELEMENTS", 40_000)  # several chunks, some of one image
    image_ids, keypoints, scores, areas = scene(230, joints=7, images=13, seed=3)
    visible = np.random.default_rng(1).uniform(size=(230, 7)) > 0.3 if filtered else None
    arguments = (image_ids, keypoints, scores, areas, COCO[:7], threshold)
    found = oks.nms_by_image(*arguments, visible=visible, soft=soft)
    wanted = textbook.nms_by_image(*arguments, visible=visible, soft=soft)
    assert found.tolist() == wanted.tolist()
    assert len(set(image_ids[found])) == 13


def test_soft_nms_keeps_twenty_and_hard_nms_any_number():
    _, keypoints, scores, areas = scene(50)
    keypoints += np.arange(50, dtype=np.float32)[:, None, None] * 1000
    assert len(oks.oks_nms(keypoints, scores, areas, COCO, 0.9)) == 50
    soft = oks.soft_oks_nms(keypoints, scores, areas, COCO, 0.9)
    assert soft.tolist() == np.argsort(-scores)[:20].tolist()


def test_no_people_and_one_person():
    empty = np.zeros(0)
    nobody = oks.nms_by_image(empty, np.zeros((0, 17, 2)), empty, empty, COCO, 0.9)
    assert nobody.shape == (0,)
    assert oks.oks_nms(np.zeros((1, 17, 2)), np.ones(1), np.ones(1), COCO, 0.9).tolist() == [0]
    zero_area = oks.oks_nms(np.zeros((2, 17, 2)), np.ones(2), np.zeros(2), COCO, 0.9)
    assert zero_area.tolist() == [1]


def test_rescore_equals_the_textbook():
    rng = np.random.default_rng(0)
    joints, boxes = rng.uniform(size=(11, 5)), rng.uniform(size=11)
    joints[3] = 0.2  # not above the threshold: scores 0
    found = oks.rescore(joints, boxes, 0.2)
    np.testing.assert_allclose(found, textbook.rescore(joints, boxes, 0.2), atol=1e-12)
    assert found[3] == 0


def test_decay_refuses_an_unknown_kind():
    with pytest.raises(ValueError, match="gaussian"):
        oks.decay_scores(np.zeros(1), np.zeros(1), 0.5, "cubic")


def test_reference_fixtures(shared):
    data = np.load(shared / "golden/data/oks.npz")
    points, areas, scores = data["keypoints"][..., :2], data["area"], data["score"]
    found = oks.oks_matrix(points, points, areas, areas, COCO)
    np.testing.assert_allclose(found, data["oks_iou"], atol=1e-6)
    visible = data["keypoints"][..., 2] > 0.2
    found = oks.oks_matrix(points[:8], points, areas[:8], areas, COCO, visible=visible)
    np.testing.assert_allclose(found, data["oks_iou_first8_vis02"], atol=1e-6)
    for kind, threshold in (("gaussian", 0.9), ("linear", 0.5)):
        found = oks.decay_scores(data["overlap"], data["scores_in"], threshold, kind)
        wanted = data[f"rescore_{kind}_{threshold:.1f}".replace(".", "")]
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    for threshold in (0.3, 0.5, 0.7, 0.9):
        arguments = (points, scores, areas, COCO, threshold)
        assert oks.oks_nms(*arguments).tolist() == data[f"oks_nms_{threshold}"].tolist()
        soft = oks.soft_oks_nms(*arguments)
        assert soft.tolist() == data[f"soft_oks_nms_{threshold}"].tolist()
        filtered = oks.oks_nms(*arguments, visible=visible)
        assert filtered.tolist() == data[f"oks_nms_vis0.2_{threshold}"].tolist()


def test_boxes_of_the_compiled_suppression_are_those_of_torchvision(shared):
    """What the family compiled for boxes is in torchvision; theirs ends on the last pixel."""
    data = np.load(shared / "golden/data/oks.npz")
    boxes = torch.from_numpy(data["boxes"][:, :4] + [0, 0, 1, 1])
    kept = nms(boxes, torch.from_numpy(data["boxes"][:, 4]), 0.5)
    assert kept.tolist() == data["box_nms_05"].tolist()


@pytest.mark.slow
def test_nms_is_five_times_faster_than_the_textbook():
    image_ids, keypoints, scores, areas = scene(4000, images=200)
    arguments = (image_ids, keypoints, scores, areas, COCO, 0.9)
    start = time.process_time()
    wanted = textbook.nms_by_image(*arguments)
    middle = time.process_time()
    found = oks.nms_by_image(*arguments)
    end = time.process_time()
    assert found.tolist() == wanted.tolist()
    assert (middle - start) / (end - middle) > 5


def mmpose_nms(image_ids, keypoints, scores, areas, sigmas, threshold):
    """The form of mmpose: people as dictionaries, one loop over images, one over candidates."""
    people = {}
    for number, image_id in enumerate(image_ids.tolist()):
        entry = {"number": number, "keypoints": keypoints[number], "score": scores[number]}
        people.setdefault(image_id, []).append(entry | {"area": areas[number]})
    kept = []
    for group in people.values():
        values = np.array([one["score"] for one in group])
        flat = np.array([one["keypoints"].flatten() for one in group])
        sizes = np.array([one["area"] for one in group])
        order = values.argsort(kind="stable")[::-1]
        while len(order):
            kept.append(group[order[0]]["number"])
            rest = order[1:]
            overlaps = np.zeros(len(rest))
            for n, other in enumerate(rest):
                dx = flat[other][0::2] - flat[order[0]][0::2]
                dy = flat[other][1::2] - flat[order[0]][1::2]
                size = (sizes[order[0]] + sizes[other]) / 2 + np.spacing(1)
                e = (dx**2 + dy**2) / (sigmas * 2) ** 2 / size / 2
                overlaps[n] = np.sum(np.exp(-e)) / len(e)
            order = rest[overlaps <= threshold]
    return np.array(kept)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("joints", [3, 17, 133])
def test_suppression_equals_mmpose(threshold, joints):
    sigmas = np.random.default_rng(2).uniform(0.02, 0.1, joints)
    for seed in range(4):
        ids, keypoints, scores, areas = scene(60, joints, images=4, seed=seed)
        found = oks.nms_by_image(ids, keypoints, scores, areas, sigmas, threshold)
        wanted = mmpose_nms(ids, keypoints, scores, areas, sigmas, threshold)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("form", [textbook.nms_by_image, mmpose_nms])
def test_suppression_is_ten_times_as_fast(form):
    """Processor time, as other processes may run."""
    poses = (*scene(6000, images=400), COCO, 0.9)
    seconds = []
    for suppress in (oks.nms_by_image, form):
        start = time.process_time()
        suppress(*poses)
        seconds.append(time.process_time() - start)
    assert seconds[1] / seconds[0] > 10
