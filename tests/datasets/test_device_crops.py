import cv2
import numpy as np
import pytest
import torch
from labelled import EXIF

from lib.annotations.tables import ImageTable, PersonTable
from lib.datasets.device_crops import cut_on_device, decode_on_device, device_crop_loader
from lib.datasets.topdown import PersonCrops, crop_loader
from lib.utils.errors import DataError

SIZE = (36, 48)
CPU = torch.device("cpu")
NAMES = ("a.jpg", "b.png", "grey.jpg", "turned.jpg", "c.jpg")
PEOPLE = (2, 1, 3, 1, 2)


def picture(seed, height=90, width=130):
    noise = np.random.default_rng(seed).integers(0, 256, (9, 13, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def people(tmp_path):
    """Of several formats; one photograph was annotated upright, which its pixels are not."""
    for seed, name in enumerate(NAMES):
        image = picture(seed)
        cv2.imwrite(str(tmp_path / name), image[..., 0] if name == "grey.jpg" else image)
    file = tmp_path / "turned.jpg"
    data = file.read_bytes()
    file.write_bytes(data[:2] + EXIF + data[2:])
    sizes = np.array([[90, 130] if name == "turned.jpg" else [130, 90] for name in NAMES], np.int32)
    files = np.array([name.encode() for name in NAMES])
    images = ImageTable(f"{tmp_path}/", files, np.arange(5), sizes)
    owners = np.repeat(np.arange(5, dtype=np.int32), PEOPLE)
    count, rng = len(owners), np.random.default_rng(1)
    boxes = np.concatenate(
        [rng.uniform(0, 50, (count, 2)), rng.uniform(30, 60, (count, 2))], axis=1
    )
    return PersonTable(
        images=images,
        image_index=owners,
        ids=np.arange(count),
        boxes=boxes.astype(np.float32),
        crops=np.full((count, 4), np.nan, np.float32),
        scores=np.ones(count, np.float32),
        keypoints=np.zeros((count, 3, 2), np.float32),
        visibility=np.zeros((count, 3), np.uint8),
        areas=np.ones(count, np.float32),
    )


def joined(batches, key):
    return np.concatenate([np.asarray(batch[key]) for batch in batches])


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("world", [1, 2])
def test_the_same_crops_come_from_the_device_but_for_a_grey_level(people, unbiased, world):
    crops = PersonCrops(people, input_size=SIZE, unbiased=unbiased)
    for rank in range(world):
        share = {"batch_size": 4, "rank": rank, "world": world}
        loader = device_crop_loader(crops, CPU, **share)
        wanted, found = list(crop_loader(crops, workers=0, **share)), list(loader)
        assert len(found) == len(wanted) == len(loader)
        for key in ("index", "crop"):
            np.testing.assert_array_equal(joined(found, key), joined(wanted, key))
        assert found[0]["image"].dtype == torch.uint8
        one, other = (joined(batches, "image").astype(int) for batches in (found, wanted))
        assert one.shape == other.shape
        assert one.std() > 20
        assert abs(one - other).max() <= 3
        assert abs(one - other).mean() < 0.5


def test_what_the_device_decodes(people):
    data = [people.images.read_bytes(n) for n in range(5)]
    sizes = [people.images.size(n) for n in range(5)]
    decoded = decode_on_device(data, sizes, CPU)
    assert [pixels is not None for pixels in decoded] == [True, False, False, False, True]
    sound, damaged = decode_on_device([data[0], data[4][:700]], [None, None], CPU)
    assert sound is not None
    assert damaged is None  # by this decoder
    assert decode_on_device([], [], CPU) == []


def test_missing_pictures_are_named(people, tmp_path):
    (tmp_path / "a.jpg").unlink()
    crops = PersonCrops(people, input_size=SIZE, unbiased=False)
    with pytest.raises(DataError, match=r"a\.jpg"):
        list(device_crop_loader(crops, CPU, batch_size=4))


def test_pixels_land_where_the_map_says():
    image = torch.zeros(3, 40, 70, dtype=torch.uint8)
    image[1, 11, 23] = 200
    matrices = np.array([[[2.0, 0, -36], [0, 3, -23]], [[0, -1, 30], [1, 0, -5]]])
    matrices = np.concatenate([matrices, np.full((1, 2, 3), np.nan)])
    cut = cut_on_device(image, matrices, SIZE)
    assert cut.shape == (3, 48, 36, 3)
    assert cut[0, 10, 10].tolist() == [0, 200, 0]  # x 2 * 23 - 36, y 3 * 11 - 23
    assert cut[1, 18, 19].tolist() == [0, 200, 0]  # x 30 - 11, y 23 - 5
    assert cut[1].sum() == 200
    assert not cut[2].any()
