import json

import numpy as np
import pytest

from lib.datasets.sources import locate, read_people, read_source
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import ConfigError, DataError

CROWDPOSE = load_skeleton("crowdpose")


def write(path, image_ids, people=2):
    path.parent.mkdir(exist_ok=True)
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 60, "height": 50} for i in image_ids]
    rows = [
        {"id": 10 * i + n, "image_id": i, "keypoints": [5, 5 + n, 2] * 14, "num_keypoints": 12,
         "bbox": [1, 2, 30, 40], "iscrowd": 0, "category_id": 1}
        for i in image_ids for n in range(people)
    ]  # fmt: skip
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": []}))


def test_trainval_of_crowdpose_is_train_and_val(tmp_path):
    write(tmp_path / "json/crowdpose_train.json", [7, 3])
    write(tmp_path / "json/crowdpose_val.json", [5], people=1)
    source = locate("crowd_pose", str(tmp_path), "trainval")
    found = read_source(source, CROWDPOSE, with_segmentation=True)
    assert found.people.images.ids.tolist() == [7, 3, 5]
    assert found.people.images.ids[found.people.image_index].tolist() == [7, 7, 3, 3, 5]
    assert found.people.image_path(4) == f"{tmp_path}/images/5.jpg"
    assert len(found.segmentations) == len(found.is_crowd) == len(found.num_keypoints) == 5
    assert len(read_people(source, CROWDPOSE)[0]) == 5
    # A file of that name is preferred.
    write(tmp_path / "json/crowdpose_trainval.json", [9])
    assert read_source(source, CROWDPOSE).people.images.ids.tolist() == [9]


def test_an_image_in_both_is_refused(tmp_path):
    write(tmp_path / "json/crowdpose_train.json", [7, 3])
    write(tmp_path / "json/crowdpose_val.json", [3])
    with pytest.raises(DataError, match="list the same image"):
        read_source(locate("crowd_pose", str(tmp_path), "trainval"), CROWDPOSE)


def test_mpii_cannot_be_read_as_whole_images(tmp_path):
    with pytest.raises(ConfigError, match="MPII annotates one person"):
        read_source(locate("mpii", str(tmp_path), "train"), None)


def test_people_stay_ordered_by_image(tmp_path):
    write(tmp_path / "json/crowdpose_train.json", [1, 2])
    write(tmp_path / "json/crowdpose_val.json", [3, 4])
    table = read_people(locate("crowd_pose", str(tmp_path), "trainval"), CROWDPOSE)[0]
    assert (np.diff(table.image_index) >= 0).all()


@pytest.mark.parametrize(
    ("dataset", "split", "kind", "file", "images"),
    [
        (
            "coco_wholebody",
            "val2017",
            "wholebody",
            "annotations/coco_wholebody_val_v1.0.json",
            "images/val2017/",
        ),
        (
            "ochuman",
            "val",
            "coco",
            "annotations/ochuman_coco_format_val_range_0.00_1.00.json",
            "images/",
        ),
        ("humanart", "validation", "coco", "annotations/validation_humanart.json", "../"),
        ("ap10k", "val-split1", "coco", "annotations/ap10k-val-split1.json", "data/"),
    ],
)
def test_layouts_of_the_newer_data_sets(dataset, split, kind, file, images):
    source = locate(dataset, "root", split)
    assert source.kind == kind
    assert source.annotation.as_posix() == f"root/{file}"
    assert source.images == f"root/{images}"
