import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from lib.annotations.reading import ReadOptions, read_annotations
from lib.datasets.bottomup import (
    PersonSigma,
    TestImages,
    TrainImages,
    collate_images,
    equal_runs,
    view_loader,
)
from lib.datasets.image_people import people_of_images
from lib.datasets.image_view import ImageAugmentation, ImageView
from lib.structures.skeleton import skeleton_from_dict
from lib.utils.errors import DataError

ARMS = skeleton_from_dict({"joints": ["head", "left_hand", "right_hand"]}, "test")
WIDTH, HEIGHT = 50, 40


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for image in (1, 2, 3):
        picture = rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{image}.png"), picture)
    people = [(1, 1), (2, 1), (3, 2), (4, 3)]
    crowd = {"counts": [0, 10 * HEIGHT, 40 * HEIGHT], "size": [HEIGHT, WIDTH]}
    rows = [
        {
            "id": number, "image_id": image, "category_id": 1, "iscrowd": int(image == 3),
            "bbox": [5, 5, 10 * number, 8], "area": 80, "num_keypoints": 3 * (image != 3),
            "keypoints": [0] * 9 if image == 3 else [10, 12, 2, 20, 22 + number, 1, 30, 32, 0],
            **({"segmentation": crowd} if image == 3 else {}),
        }
        for number, image in people
    ]  # fmt: skip
    size = {"width": WIDTH, "height": HEIGHT}
    images = [{"id": i, "file_name": f"{i}.png", **size} for i in (1, 2, 3)]
    (tmp_path / "a.json").write_text(
        json.dumps({"images": images, "annotations": rows, "categories": []})
    )
    return tmp_path


@pytest.fixture
def data(folder):
    def build(**options):
        found = read_annotations(folder / "a.json", f"{folder}/", ARMS, ReadOptions(outlines=True))
        settings = {"input_size": 64, "output_sizes": (16, 32), "seed": 5, "max_bad_images": 1}
        return TrainImages(
            people_of_images(found),
            options.pop("augmentation", ImageAugmentation(flip=0.5, rotation=20, translate=30)),
            ARMS.flip_index,
            **{**settings, **options},
        )

    return build


def test_sample(data):
    sample = data()[0, 0]
    assert sample["image"].shape == (64, 64, 3)
    assert sample["image"].dtype == np.uint8
    assert sample["keypoints"].shape == (2, 2, 3, 2)
    assert sample["keypoints"].dtype == sample["visible"].dtype == np.float32
    assert sample["visible"].sum(axis=1).tolist() == [2, 2]
    assert [mask.shape for mask in sample["masks"]] == [(16, 16), (32, 32)]
    assert "sigma" not in sample


def test_samples_depend_on_their_key_only(data):
    first, again = data(), data()
    again[3, 1], again[0, 0]
    for name in ("image", "keypoints", "visible"):
        np.testing.assert_array_equal(first[2, 1][name], again[2, 1][name])
    assert (first[2, 1]["image"] != first[3, 1]["image"]).any()


def test_joints_of_every_output_and_their_mirror(data):
    source = data()
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    plain = source.show(image, 0, ImageView((25, 20), 40))
    np.testing.assert_allclose(
        plain["keypoints"][0, 0, 0], [(10 - 25) / 2.5 + 8, (12 - 20) / 2.5 + 8]
    )
    np.testing.assert_allclose(plain["keypoints"][1], plain["keypoints"][0] * 2)
    mirrored = source.show(image, 0, ImageView((25, 20), 40, flip=True))
    for size, points, others in zip(
        (16, 32), plain["keypoints"], mirrored["keypoints"], strict=True
    ):
        np.testing.assert_allclose(others[:, 0, 0], size - 1 - points[:, 0, 0])
        np.testing.assert_allclose(others[:, 1, 0], size - 1 - points[:, 2, 0])  # hands swap
        np.testing.assert_allclose(others[:, 2, 1], points[:, 1, 1])
    assert plain["visible"][0].tolist() == [1, 1, 0]
    assert mirrored["visible"][0].tolist() == [1, 0, 1]


def test_an_image_of_a_crowd_only_has_nobody_and_a_mask(data):
    source = data()
    sample = source.show(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 2, ImageView((25, 20), 40))
    assert sample["keypoints"].shape == (2, 0, 3, 2)
    mask = sample["masks"][
        0
    ]  # a cell is 2.5 pixels; columns 5..9 of the image are in sight, hidden
    assert mask[:, :1].max() == 0
    assert mask[:, 3:].min() == 1
    outside = source.show(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0, ImageView((25, 20), 80))
    assert outside["masks"][0][0].max() == 0  # beyond the border
    assert outside["masks"][0][8, 8] == 1


def test_batches_pad_people(data):
    source = data(sigma=PersonSigma(20.0, 2.0))
    batch = collate_images([source[0, 0], source[0, 2], source[0, 1]])
    assert batch["image"].shape == (3, 64, 64, 3)
    assert [tuple(points.shape) for points in batch["keypoints"]] == [(3, 2, 3, 2)] * 2
    assert batch["visible"].sum(dim=2).tolist() == [[2, 2], [0, 0], [2, 0]]
    assert [tuple(mask.shape) for mask in batch["masks"]] == [(3, 16, 16), (3, 32, 32)]
    assert batch["masks"][0].dtype == torch.uint8
    assert batch["sigma"].shape == (3, 2)
    assert isinstance(batch["max_sigma"], float)
    assert batch["max_sigma"] == batch["sigma"].max().item()


def test_a_batch_without_people(data):
    source = data()
    batch = collate_images([source[0, 2]])
    assert batch["visible"].shape == (1, 0, 3)


def test_sigma_in_proportion_to_the_box():
    boxes = np.array([[0, 0, 128, 64], [0, 0, 10, 256], [0, 0, 0, 0]], np.float32)
    assert PersonSigma(256, 2).of(boxes, 1.0).tolist() == [1.0, 2.0, 0.5]
    assert PersonSigma(256, 2).of(boxes, 2.0).tolist() == [0.5, 1.0, 0.5]
    assert PersonSigma(200, 2, whole=True).of(boxes, 1.0).tolist() == [2.0, 3.0, 0.5]


def test_unreadable_images_are_skipped_up_to_a_limit(data, folder, caplog):
    (folder / "2.png").write_bytes(b"no image")
    source = data()
    np.testing.assert_array_equal(source[0, 1]["image"], source[0, 2]["image"])
    assert "2.png" in caplog.text
    cv2.imwrite(str(folder / "3.png"), np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(DataError, match="2 training images cannot be read"):
        source[0, 2]
    assert "9x9 pixels, its annotation says 50x40" in caplog.text


class TestTestImages:
    def test_every_scale_of_every_image(self, data):
        images = TestImages(data().source.images, input_size=64, scales=(2.0, 1.0))
        (batch,) = view_loader(images, batch_size=32, workers=0)
        assert batch["indices"] == [0, 1, 2]
        assert batch["sizes"] == [(WIDTH, HEIGHT)] * 3
        for views in batch["images"]:
            assert [tuple(view.shape) for view in views] == [(1, 128, 256, 3), (1, 64, 128, 3)]
        assert images.views(1) == [(256, 128), (128, 64)]

    def test_shards_are_disjoint_and_complete(self, data):
        images = TestImages(data().source.images, input_size=64, scales=(1.0,))
        shards = [
            [
                batch["indices"]
                for batch in view_loader(images, batch_size=1, workers=0, rank=r, world=2)
            ]
            for r in (0, 1)
        ]
        assert shards == [[[0], [2]], [[1]]]

    def test_images_of_one_size_come_together_largest_first(self, data):
        table = data().source.images
        sizes = np.array([[50, 40], [0, 0], [30, 60]], np.int32)  # of the second none is known
        images = TestImages(replace(table, sizes=sizes), input_size=64, scales=(1.0,))
        loader = view_loader(images, batch_size=2, workers=0)
        assert list(loader.batch_sampler) == [[0], [2], [1]]
        assert images.views(1) is None

    def test_neighbours_share_a_batch_up_to_a_number_and_its_memory(self):
        small, large = [(64, 64), (32, 32)], [(1024, 1024), (512, 512)]
        assert equal_runs([], 2) == []
        assert equal_runs([small] * 5, 2) == [[0, 1], [2, 3], [4]]
        assert equal_runs([small, small, large, small, small], 9) == [[0, 1], [2], [3, 4]]
        assert equal_runs([None, None, small], 9) == [[0], [1], [2]]
        assert equal_runs([large] * 2, 9) == [[0], [1]]  # 1.3 million pixels each
        assert equal_runs([[(1024, 1024)]] * 3, 9) == [[0, 1], [2]]

    def test_an_unreadable_image_stops_the_test(self, data, folder):
        (folder / "1.png").unlink()
        images = TestImages(data().source.images, input_size=64, scales=(1.0,))
        with pytest.raises(DataError, match=r"1\.png"):
            next(iter(view_loader(images, batch_size=3, workers=0)))
