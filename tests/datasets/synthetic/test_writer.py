import json
import os
from dataclasses import replace

import cv2
import pytest
from pycocotools.coco import COCO

from lib.datasets.synthetic.coco_form import DETECTIONS
from lib.datasets.synthetic.writer import MARKER, Recipe, write_dataset
from lib.utils.errors import DataError

SMALL = Recipe(train=3, val=5, seed=4, size=(96, 64), people=(1, 3), formats=("coco",))


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthpose")
    assert write_dataset(folder, SMALL)
    return folder


def test_coco_reads_it(dataset, capsys):
    for split, count in (("train", 3), ("val", 5)):
        coco = COCO(dataset / f"coco/annotations/person_keypoints_{split}2017.json")
        assert len(coco.imgs) == count
        assert len(coco.anns) >= count - 1
        assert set(coco.dataset) == {"info", "licenses", "images", "annotations", "categories"}
        assert coco.dataset["categories"][0]["skeleton"][0] == [16, 14]
        for image in coco.imgs.values():
            picture = cv2.imread(str(dataset / f"coco/images/{split}2017" / image["file_name"]))
            assert picture.shape == (image["height"], image["width"], 3)
            assert image["file_name"] == f"{image['id']:012d}.jpg"
        for entry in coco.anns.values():
            assert coco.annToMask(entry).any()


def test_the_detector_file_belongs_to_the_validation_images(dataset):
    boxes = json.loads((dataset / "coco" / DETECTIONS).read_text())
    val = json.loads((dataset / "coco/annotations/person_keypoints_val2017.json").read_text())
    assert boxes
    assert {box["image_id"] for box in boxes} <= {image["id"] for image in val["images"]}


def test_any_number_of_workers_gives_the_same_bytes(dataset, tmp_path):
    write_dataset(tmp_path / "two", SMALL, workers=2)
    assert files(tmp_path / "two") == files(dataset)


def test_an_image_does_not_depend_on_how_many_there_are(dataset, tmp_path):
    write_dataset(tmp_path, Recipe(1, 2, 4, (96, 64), (1, 3), ("coco",)))
    more, fewer = files(dataset), files(tmp_path)
    pictures = [name for name in fewer if name.endswith(".jpg")]
    assert len(pictures) == 3
    assert all(fewer[name] == more[name] for name in pictures)


def test_the_same_data_set_is_not_made_twice(dataset):
    before = (dataset / MARKER).stat().st_mtime_ns
    assert write_dataset(dataset, SMALL) is False
    assert (dataset / MARKER).stat().st_mtime_ns == before


def test_another_data_set_is_replaced_only_by_force(tmp_path):
    write_dataset(tmp_path, SMALL)
    other = Recipe(1, 1, 0, (96, 64), (1, 1), ("coco",))
    with pytest.raises(DataError, match=r"another synthetic data set.*--force"):
        write_dataset(tmp_path, other)
    assert write_dataset(tmp_path, other, force=True)
    assert sum(name.endswith(".jpg") for name in files(tmp_path)) == 2


def test_foreign_files_are_never_deleted(tmp_path):
    foreign = tmp_path / "coco" / "images" / "val2017" / "000000000139.jpg"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"a photograph")
    one = Recipe(0, 1, formats=("coco",), size=(96, 64))
    with pytest.raises(DataError, match="did not write"):
        write_dataset(tmp_path, one)
    write_dataset(tmp_path, one, force=True)
    assert foreign.read_bytes() == b"a photograph"


def test_what_was_interrupted_is_made_anew(tmp_path):
    def stop_after_two(records, count):
        for number, record in enumerate(records):
            if number == 2:
                raise KeyboardInterrupt
            yield record

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path, SMALL, progress=stop_after_two)
    assert write_dataset(tmp_path, SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": -1}, "train images"),
        ({"val": 400_000}, "val images"),
        ({"seed": -3}, "seed"),
        ({"people": (0, 2)}, "People per image"),
        ({"people": (3, 2)}, "People per image"),
        ({"people": (1, 7)}, "People per image"),
        ({"size": (320, 20)}, "Image sides"),
        ({"level": "hard"}, "level must be one of full, easy"),
    ],
)
def test_impossible_wishes_are_refused(tmp_path, change, message):
    recipe = Recipe(**{"train": 1, "val": 1, **change})
    with pytest.raises(DataError, match=message):
        write_dataset(tmp_path, recipe)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(DataError, match="is a file"):
        write_dataset(tmp_path / "data", SMALL)
    with pytest.raises(DataError, match="Cannot write"):
        write_dataset(tmp_path / "data" / "below", SMALL)


def test_formats_share_their_images(tmp_path):
    write_dataset(tmp_path, replace(SMALL, formats=("coco", "mpii", "crowdpose")))
    one = tmp_path / "coco/images/val2017/000000500001.jpg"
    for other in ("mpii/images/000500001.jpg", "crowdpose/images/500001.jpg"):
        assert (tmp_path / other).read_bytes() == one.read_bytes()
        assert (tmp_path / other).stat().st_ino == one.stat().st_ino
    assert len(files(tmp_path)) == 3 * 8 + 3 + 3 + 4 + 1


def test_images_are_copied_where_links_fail(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    write_dataset(tmp_path, replace(SMALL, train=0, val=1, formats=("coco", "mpii")))
    copy = tmp_path / "mpii/images/000500001.jpg"
    assert copy.stat().st_nlink == 1
    assert copy.read_bytes() == (tmp_path / "coco/images/val2017/000000500001.jpg").read_bytes()


def test_a_full_disk_is_a_sentence_and_can_be_tried_again(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(DataError, match="No space left"):
            write_dataset(tmp_path, SMALL)
    assert write_dataset(tmp_path, SMALL)
