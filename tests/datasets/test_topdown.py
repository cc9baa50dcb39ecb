import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lib.annotations import tables
from lib.annotations.reading import read_annotations
from lib.datasets.photometric import Operation
from lib.datasets.selection import people_to_train_on
from lib.datasets.stages import PartStages, Stages
from lib.datasets.topdown import PersonCrops, TrainCrops, crop_loader
from lib.datasets.transforms import Augmentation
from lib.utils import jpeg
from lib.utils.errors import DataError
from lib.utils.image_parts import Part

SIZE = (36, 48)
PEOPLE = (1, 3, 2)  # per image
JOINTS = ["nose", "left_hand", "right_hand"]


@pytest.fixture
def folder(tmp_path):
    """Three dark images; each joint of each person is a bright blot of a colour of its own."""
    images, annotations = [], []
    for i, count in enumerate(PEOPLE):
        image = np.zeros((120, 160, 3), np.uint8)
        name = f"{i}.png"
        for person in range(count):
            joints = np.array([[30, 20], [15, 60], [45, 66]]) + person * 35 + i
            for channel, (x, y) in enumerate(joints):
                if x < 160 and y < 120:
                    image[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3, channel] = 255
            row = {"id": len(annotations), "image_id": i, "category_id": 1, "iscrowd": 0}
            row["bbox"] = [int(joints[1, 0]) - 5, int(joints[0, 1]) - 5, 40, 56]
            row["area"] = 900
            row["keypoints"] = np.c_[joints, [2, 2, 1]].ravel().tolist()
            annotations.append(row)
        cv2.imwrite(str(tmp_path / name), image)
        images.append({"id": i, "file_name": name, "width": 160, "height": 120})
    category = {"id": 1, "name": "toy", "keypoints": JOINTS}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (tmp_path / "toy.json").write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def photographs(folder):
    """The same images with something everywhere, in JPEGs."""
    rng = np.random.default_rng(7)
    content = json.loads((folder / "toy.json").read_text())
    for row in content["images"]:
        noise = rng.integers(0, 256, (15, 20, 3), np.uint8)
        image = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)
        row["file_name"] = f"{row['id']}.jpg"
        cv2.imwrite(str(folder / row["file_name"]), image)
    (folder / "toy.json").write_text(json.dumps(content))
    return folder


def read(folder):
    annotations = read_annotations(folder / "toy.json", f"{folder}/")
    return people_to_train_on(annotations), annotations.skeleton


def train_crops(folder, **changes):
    people, skeleton = read(folder)
    augmentation = Augmentation(skeleton, flip=0.5, scale_factor=0.2, rotation_factor=40)
    settings = {"input_size": SIZE, "seed": 5, "unbiased": False, "max_bad_images": 0, **changes}
    return TrainCrops(people, augmentation, **settings)


def test_joints_land_on_their_blots_in_every_view(folder):
    crops = train_crops(folder)
    checked = 0
    for epoch in range(4):
        for index in range(len(crops)):
            sample = crops[epoch, index]
            assert sample["image"].shape == (48, 36, 3)
            for joint, (x, y) in enumerate(np.rint(sample["keypoints"]).astype(int)):
                if not sample["visible"][joint] or not (0 <= x < 36 and 0 <= y < 48):
                    continue
                # A mirror swaps the hands, so their colours swap too; the nose keeps its own.
                channels = [0] if joint == 0 else [1, 2]
                assert sample["image"][y, x, channels].max() > 120, (epoch, index, joint)
                checked += 1
    assert checked > 30


def test_types_of_a_sample_do_not_follow_those_of_the_draws(folder):
    """NumPy 2 makes an augmented scale float64, which must not spread."""
    sample = train_crops(folder)[1, 0]
    types = {key: np.asarray(value).dtype.name for key, value in sample.items()}
    wanted = {"image": "uint8", "keypoints": "float32", "visible": "float32", "index": "int64"}
    assert types == wanted


def test_coordinates_of_unannotated_joints_are_not_used(folder):
    people, skeleton = read(folder)
    skeleton = replace(skeleton, upper_body=(0, 2))
    wild = people.select(np.arange(len(people)))
    for table, x in ((people, 3.0), (wild, 1e4)):
        table.visibility[:, 2] = 0
        table.keypoints[:, 2] = x
    augmentation = Augmentation(skeleton, flip=0, half_body=1, half_body_joints=1)
    settings = {"input_size": SIZE, "seed": 5, "unbiased": False, "max_bad_images": 0}
    crops, others = (TrainCrops(t, augmentation, **settings) for t in (people, wild))
    for epoch in range(6):  # upper and lower bodies
        one, other = crops[epoch, 0], others[epoch, 0]
        np.testing.assert_array_equal(one["image"], other["image"])
        np.testing.assert_array_equal(one["visible"], other["visible"])
        assert one["visible"][2] == 0


def test_a_sample_depends_on_its_key_only(folder):
    first, second = train_crops(folder), train_crops(folder)
    wanted = first[3, 2]
    second[0, 1]
    for key, value in second[3, 2].items():
        np.testing.assert_array_equal(value, wanted[key])
    assert not np.array_equal(first[4, 2]["keypoints"], wanted["keypoints"])


def test_unreadable_training_images_are_skipped_up_to_a_limit(folder, caplog):
    (folder / "1.png").write_bytes(b"no image")
    crops = train_crops(folder, max_bad_images=1)
    assert crops[0, 1]["index"] == 4  # the next person of another image
    assert "1.png" in caplog.text
    with pytest.raises(DataError, match="MAX_BAD_IMAGES"):
        train_crops(folder)[0, 1]


def test_stages_and_colours_follow_the_epoch_of_the_key(folder):
    crops = train_crops(folder)
    still = replace(crops.stages.at(0, 0), scale_factor=0.0, rotation_factor=0.0, flip=0.0)
    blank = replace(still, photometric={"DROPOUT": Operation(1.0, 1.0, 1.0)})
    plain = crops_like(crops, still)
    crops.stages = PartStages.of([Stages(still, ((4, blank),))], [len(crops)])
    keys = [(3, 1), (4, 1), (4, 0), (0, 2)]
    batch = crops.batch(keys)
    for place, key in enumerate(keys):
        wanted = plain[0, key[1]]
        np.testing.assert_array_equal(batch["keypoints"][place], wanted["keypoints"])
        shown = wanted["image"] * (key[0] < 4)  # a hole as large as the crop
        np.testing.assert_array_equal(batch["image"][place], shown)


def crops_like(crops, augmentation):
    return TrainCrops(
        crops.people,
        augmentation,
        input_size=crops.input_size,
        seed=crops.seed,
        unbiased=crops.unbiased,
        max_bad_images=0,
    )


def test_a_batch_is_its_samples(folder, caplog):
    keys = [(2, 3), (0, 1), (5, 2), (2, 0), (1, 1), (0, 4)]
    for damaged in (False, True):
        if damaged:
            (folder / "1.png").write_bytes(b"no image")
        crops = train_crops(folder, max_bad_images=1)
        wild = replace(crops.stages.at(0, 0), half_body=0.5, cutout=True)
        crops.stages = PartStages.of([Stages(wild)], [len(crops)])
        batch, samples = crops.batch(keys), [crops[key] for key in keys]
        for name, values in batch.items():
            np.testing.assert_array_equal(values, np.stack([one[name] for one in samples]))
        assert ("1.png" in caplog.text) == damaged


def test_a_batch_decodes_each_image_once(folder, monkeypatch):
    crops = train_crops(folder)
    paths = []
    read_part = tables.read_part
    monkeypatch.setattr(
        tables, "read_part", lambda path, **how: paths.append(path) or read_part(path, **how)
    )
    crops.batch([(0, index) for index in range(len(crops))])
    assert len(paths) == len(set(paths)) == len(np.unique(crops.people.image_index))


def test_unreadable_test_images_stop(folder):
    (folder / "1.png").write_bytes(b"no image")
    people, _ = read(folder)
    with pytest.raises(DataError, match=r"1\.png"):
        PersonCrops(people, input_size=SIZE, unbiased=False)[1]


@pytest.mark.parametrize("batch_size", [1, 2, 4, 50])
@pytest.mark.parametrize("workers", [0, 2])
def test_every_person_comes_once_in_batches_of_one_size(folder, batch_size, workers):
    people, _ = read(folder)
    crops = PersonCrops(people, input_size=SIZE, unbiased=False)
    loader = crop_loader(crops, batch_size=batch_size, workers=workers)
    batches = list(loader)
    assert len(batches) == len(loader)
    sizes = [len(batch["index"]) for batch in batches]
    assert all(size == batch_size for size in sizes[:-1])
    assert np.concatenate([b["index"] for b in batches]).tolist() == list(range(6))
    assert batches[0]["image"].shape[1:] == (48, 36, 3)
    np.testing.assert_array_equal(np.concatenate([b["crop"] for b in batches]), crops.crops)


def test_people_may_stand_in_any_order(folder):
    """MPII's people keep the order of the ground truth, in which images come as they like."""
    people, _ = read(folder)
    assert len(np.unique(people.image_index)) > 2
    order = np.random.default_rng(0).permutation(len(people))
    sorted_crops = PersonCrops(people, input_size=SIZE, unbiased=False)
    crops = PersonCrops(people.select(order), input_size=SIZE, unbiased=False)
    wanted = {}
    for sample in map(sorted_crops.__getitem__, range(len(sorted_crops))):
        wanted |= dict(zip(sample["index"].tolist(), sample["image"], strict=True))
    seen = []
    for sample in map(crops.__getitem__, range(len(crops))):
        for row, image in zip(sample["index"].tolist(), sample["image"], strict=True):
            np.testing.assert_array_equal(image, wanted[order[row]])
            seen.append(row)
    assert sorted(seen) == list(range(len(people)))


def test_shards_share_the_images_out(folder):
    people, _ = read(folder)
    crops = PersonCrops(people, input_size=SIZE, unbiased=False)
    shards = [
        np.concatenate(
            [b["index"] for b in crop_loader(crops, batch_size=2, workers=0, rank=r, world=2)]
        )
        for r in range(2)
    ]
    assert sorted(np.concatenate(shards).tolist()) == list(range(6))


def test_no_people_make_no_batches(folder):
    people, _ = read(folder)
    crops = PersonCrops(people.select(np.zeros(0, int)), input_size=SIZE, unbiased=False)
    assert list(crop_loader(crops, batch_size=2, workers=2)) == []


def test_rows_that_no_crop_shows_change_no_pixel_of_it(photographs, monkeypatch):
    """With and without the decoder that stops above them, and from whole images."""
    people, _ = read(photographs)
    kinds, shapes = [], []

    def of_all():
        train, test = train_crops(photographs), PersonCrops(people, input_size=SIZE, unbiased=False)
        batches = [train.batch([(epoch, n) for n in range(len(train))]) for epoch in range(8)]
        kinds.append([one["image"] for one in [*batches, *(test[n] for n in range(len(test)))]])

    read_part = tables.read_part

    def noted(path, **how):
        part = read_part(path, **how)
        shapes.append(part.pixels.shape)
        return part

    monkeypatch.setattr(tables, "read_part", noted)
    of_all()
    with_package = {shape[2] for shape in shapes} == {4}
    assert not with_package or min(shape[0] for shape in shapes) < 120
    monkeypatch.setattr(jpeg, "_simplejpeg", lambda: None)
    of_all()
    monkeypatch.setattr(tables, "read_part", lambda path, need, size: Part(tables.read_image(path)))
    of_all()
    for one, *others in zip(*kinds, strict=True):
        assert one.std() > 20
        for other in others:
            np.testing.assert_array_equal(one, other)


def test_crops_of_reduced_images_show_the_same(photographs):
    """People of 40 x 56 pixels on crops of 9 x 12: images are decoded at a quarter."""
    people, _ = read(photographs)
    size, joints = (9, 12), []
    for reduced in (False, True):
        test = PersonCrops(people, input_size=size, unbiased=False, reduced=reduced)
        train = train_crops(photographs, input_size=size, reduced=reduced)
        batch = train.batch([(2, n) for n in range(len(train))])
        joints.append(batch["keypoints"])
        cuts = [batch["image"], *(test[n]["image"] for n in range(len(test)))]
        if not reduced:
            whole = cuts
    np.testing.assert_array_equal(*joints)
    for one, other in zip(cuts, whole, strict=True):
        assert 0 < abs(one.astype(int) - other).mean() < 12
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97
