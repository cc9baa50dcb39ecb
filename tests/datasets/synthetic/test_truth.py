from dataclasses import replace

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from lib.datasets.synthetic.body import POINT
from lib.datasets.synthetic.scene import LABELS_PER_PERSON, render_scene, scene_rng
from lib.datasets.synthetic.truth import (
    OCCLUDED,
    VISIBLE,
    find_truth,
    joint_rows,
    keypoint_list,
    mask_box,
    mask_polygons,
    mask_runs,
)
from lib.structures.skeleton import load_skeleton

NAMES = load_skeleton("coco").joints


def scenes(count=10, **keywords):
    keywords = {"size": (192, 144), "people": (2, 5), **keywords}
    return [render_scene(scene_rng(2, "val", index), **keywords) for index in range(count)]


def blob_mask(seed, shape=(83, 117)):
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((7, 9)).astype(np.float32)
    return cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_CUBIC) > 0.4


def filled(mask):
    """Fill holes: what polygons can say."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros(mask.shape, np.uint8), outlines, -1, 1, -1).astype(bool)


def test_a_box_counts_its_last_pixel_as_coco_does():
    mask = np.zeros((11, 17), bool)
    mask[3, 5] = True
    assert mask_box(mask) == (5, 3, 1, 1)
    mask[7, 12] = True
    assert mask_box(mask) == (5, 3, 8, 5)
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert tuple(coco_mask.toBbox(encoded)) == mask_box(mask)


@pytest.mark.parametrize("seed", range(5))
def test_polygons_give_the_mask_back(seed):
    mask = blob_mask(seed)
    runs = coco_mask.frPyObjects(mask_polygons(mask), *mask.shape)
    back = coco_mask.decode(coco_mask.merge(runs)).astype(bool)
    wanted = filled(mask)
    assert (back & wanted).sum() / (back | wanted).sum() > 0.97


def test_a_single_pixel_still_has_a_polygon():
    mask = np.zeros((11, 17), bool)
    mask[3, 5] = True
    assert mask_polygons(mask) == [[5, 3, 6, 3, 6, 4, 5, 4]]


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_are_what_pycocotools_reads(seed):
    mask = blob_mask(seed)
    mask[0, 0] = bool(seed % 2)
    runs = mask_runs(mask)
    assert sum(runs["counts"]) == mask.size
    back = coco_mask.decode(coco_mask.frPyObjects(runs, *mask.shape))
    np.testing.assert_array_equal(back.astype(bool), mask)


def test_visible_joints_lie_in_the_mask_and_occluded_ones_in_the_image():
    counts = np.zeros(3, int)
    for scene in scenes():
        height, width = scene.labels.shape
        for truth in find_truth(scene):
            for x, y, visibility in truth.joints(NAMES, scene.labels):
                counts[int(visibility)] += 1
                if visibility == VISIBLE:
                    assert truth.mask[round(y), round(x)]
                elif visibility == 0:
                    assert (x, y) == (0.0, 0.0)
                assert 0 <= x <= width - 1
                assert 0 <= y <= height - 1
    assert (counts > 40).all()


def test_boxes_areas_and_masks_agree():
    for scene in scenes(6):
        for truth in find_truth(scene):
            assert truth.area == truth.mask.sum() > 0
            assert truth.box == mask_box(truth.mask)


def test_masks_of_people_are_disjoint():
    for scene in scenes(6):
        total = sum(truth.mask.astype(int) for truth in find_truth(scene))
        assert np.max(total) <= 1


def test_coordinates_are_the_projected_joints():
    scene = scenes(1)[0]
    for person in scene.people:
        rows = joint_rows(person, NAMES, scene.labels)
        for name, (x, y, visibility) in zip(NAMES, rows, strict=True):
            if visibility > 0:
                np.testing.assert_array_equal((x, y), person.view.pixels[POINT[name]])


def test_whoever_stands_in_front_hides_joints():
    """Every joint under a pixel of a later person is occluded; taking that away shows it again."""
    flips = 0
    for scene in scenes():
        for person in scene.people:
            rows = joint_rows(person, NAMES, scene.labels)
            own = (scene.labels.astype(int) - 1) // LABELS_PER_PERSON
            for x, y, visibility in rows[rows[:, 2] > 0]:
                if own[round(y), round(x)] * LABELS_PER_PERSON + 1 != person.first_label:
                    assert visibility == OCCLUDED
                    flips += 1
    assert flips > 20


def test_a_far_shoulder_is_hidden_by_the_own_trunk():
    hidden = shown = 0
    for scene in scenes(20, people=(1, 1)):
        person = scene.people[0]
        depth = {
            side: person.view.depth(f"{side}_shoulder") - person.view.depth("thorax")
            for side in ("left", "right")
        }
        rows = joint_rows(person, ("left_shoulder", "right_shoulder"), scene.labels)
        for side, row in zip(depth, rows, strict=True):
            if row[2] > 0 and depth[side] < -0.07:
                hidden += row[2] == OCCLUDED
                shown += row[2] == VISIBLE
    assert hidden > 4 * shown


def test_people_hidden_altogether_are_not_annotated():
    scene = scenes(1)[0]
    assert find_truth(replace(scene, labels=np.zeros_like(scene.labels))) == []


def test_lists_hold_hundredths_and_whole_visibilities():
    assert keypoint_list(np.array([[1.23456, 2.0, 2.0], [0, 0, 0]])) == [1.23, 2.0, 2, 0.0, 0.0, 0]
