import numpy as np
import pytest

from lib.datasets.synthetic import LEVELS
from lib.datasets.synthetic.scene import (
    CROWD_LABEL,
    LABELS_PER_PERSON,
    MOST_PEOPLE,
    render_scene,
    scene_rng,
)
from lib.datasets.synthetic.solids import PARTS

SIZE = (160, 120)


def scene(index, seed=0, split="train", people=(1, MOST_PEOPLE), size=SIZE):
    return render_scene(scene_rng(seed, split, index), size, people)


def test_an_image_is_a_function_of_seed_split_and_index():
    image = scene(3).image
    np.testing.assert_array_equal(image, scene(3).image)
    for other in (scene(4), scene(3, seed=1), scene(3, split="val")):
        assert other.image.shape != image.shape or (other.image != image).any()


def test_images_lie_or_stand_and_hold_the_wanted_number_of_people():
    scenes = [scene(index, people=(2, 3), size=(128, 96)) for index in range(20)]
    assert {one.image.shape for one in scenes} == {(96, 128, 3), (128, 96, 3)}
    assert {len(one.people) for one in scenes} == {2, 3}
    assert all(one.labels.shape == one.image.shape[:2] for one in scenes)
    assert all(one.image.dtype == one.labels.dtype == np.uint8 for one in scenes)


def test_labels_name_an_existing_part_of_an_existing_person():
    for index in range(12):
        one = scene(index)
        labels = np.unique(one.labels)
        for label in labels[(labels > 0) & (labels != CROWD_LABEL)].tolist():
            person, part = divmod(label - 1, LABELS_PER_PERSON)
            assert person < len(one.people)
            assert part < len(PARTS)


def test_label_ranges_fit_a_byte():
    assert CROWD_LABEL + 1 <= 255
    assert len(PARTS) <= LABELS_PER_PERSON


def test_statures_span_the_stated_range():
    zoom = 64 / 240  # what is stated holds for images with a short side of 240
    scenes = [scene(index, size=(64, 64)) for index in range(60)]
    statures = np.array([one.view.stature / zoom for each in scenes for one in each.people])
    assert 29.9 <= statures.min() < 60
    assert 320 < statures.max() <= 400.1
    assert ((statures >= 80) & (statures <= 300)).mean() > 0.75


def test_smaller_images_hold_smaller_people():
    large = scene(5, size=(320, 240)).people[0].view.stature
    assert scene(5, size=(160, 120)).people[0].view.stature == pytest.approx(large / 2)


def test_some_images_hold_a_crowd():
    crowded = [(scene(index, size=(64, 64)).labels == CROWD_LABEL).any() for index in range(80)]
    assert 1 <= sum(crowded) <= 20


def test_easy_people_stand_inside_and_face_the_camera():
    scenes = [
        render_scene(scene_rng(0, "train", index), (128, 96), (1, 1), LEVELS["easy"])
        for index in range(30)
    ]
    full = [scene(index, people=(1, 1), size=(128, 96)) for index in range(30)]

    def inside(scenes):
        ends = [
            (one.view.pixels, one_of.labels.shape) for one_of in scenes for one in one_of.people
        ]
        return np.mean([((p >= 0) & (p < (w, h))).all(axis=1).mean() for p, (h, w) in ends])

    assert inside(scenes) > inside(full) + 0.05
    assert not any((each.labels == CROWD_LABEL).any() for each in scenes)
    assert all(
        one.view.pixel("left_shoulder")[0] > one.view.pixel("right_shoulder")[0]
        for each in scenes
        for one in each.people
    )
    print(inside(scenes), inside(full))
