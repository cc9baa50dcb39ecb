import cv2
import numpy as np
import pytest
from tinyrcnn import write_config

from lib.config import load_config
from lib.tasks import build_task
from lib.tasks.pictures import TILE, image_rows, sample_pictures, sheet_row, stack_rows


def key_with_people(data):
    """The sample with most people: something of each kind is to be seen."""
    starts, ends = data.source.starts, data.source.ends
    return (1, int(np.argmax(ends - starts)))


def test_bottom_up_shows_input_mask_heatmaps_and_tags(make):
    task = make("DATASET.MAX_ROTATION=0")
    data = task.train_images
    key = key_with_people(data)
    pictures = dict(sample_pictures(task, key))
    titles = list(pictures)
    assert titles[0].endswith(".jpg: joints, mask")
    # The second of the two stages learns no tags.
    assert titles[1:] == ["heatmaps 0: 32 cells", "tags 0: 32 cells", "heatmaps 1: 64 cells"]
    assert {picture.shape for picture in pictures.values()} == {(128, 128, 3)}
    sample = data[key]
    dots = np.abs(pictures["tags 0: 32 cells"].astype(int) - sample["image"] // 2).max(axis=2) > 40
    seen = sample["visible"] > 0
    for x, y in sample["keypoints"][0][seen].astype(int):
        if 0 <= x < 32 and 0 <= y < 32:
            assert dots[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].any()
    warm = np.abs(pictures["heatmaps 1: 64 cells"].astype(int) - sample["image"]).max(axis=2) > 20
    assert 0 < warm.mean() < 0.9


def test_what_the_mask_hides_is_dark(make):
    task = make()
    data = task.train_images
    hidden = [n for n in range(len(data)) if min(m.min() for m in data[0, n]["masks"]) == 0]
    sample = data[0, hidden[0]]
    mask = cv2.resize(sample["masks"][-1], (128, 128), interpolation=cv2.INTER_NEAREST)
    (_, shown), *_ = sample_pictures(task, (0, hidden[0]))
    bright = sample["image"].max(axis=2) > 60
    changed = np.abs(shown.astype(int) - sample["image"]).max(axis=2) > 20
    assert changed[(mask == 0) & bright].mean() > 0.9
    assert changed[mask == 1].mean() < 0.5


def test_one_stage_shows_boxes(synthpose, tmp_path):
    task = build_task(load_config(write_config(tmp_path, synthpose)))
    sample = task.train_images[0, 2]
    ((title, shown),) = sample_pictures(task, (0, 2))
    assert title.endswith(f": {len(sample['boxes'])} boxes")
    assert shown.shape == sample["image"].shape
    changed = np.abs(shown.astype(int) - sample["image"]).max(axis=2) > 20
    x1, y1 = sample["boxes"][0, :2].round().astype(int)
    corner = changed[max(y1 - 3, 0) : y1 + 4, max(x1 - 3, 0) : x1 + 4]
    assert corner.any()


@pytest.mark.parametrize("kind", ["bottomup", "rcnn"])
def test_rows_are_those_of_the_images(kind, make, synthpose, tmp_path):
    task = (
        make() if kind == "bottomup" else build_task(load_config(write_config(tmp_path, synthpose)))
    )
    rows = image_rows(task)
    data = task.train_images
    assert len(rows) == len(data)
    images = data.source.images if kind == "bottomup" else data.people.images
    assert data.name(1).startswith(images.path(int(rows[1])))


def test_rows_of_a_sheet_have_one_height_and_any_widths():
    rows = [
        sheet_row([("a", np.zeros((40, 80, 3), np.uint8)), ("b", np.zeros((90, 30, 3), np.uint8))]),
        sheet_row([("c", np.zeros((50, 50, 3), np.uint8))]),
    ]
    assert [row.shape for row in rows] == [(TILE + 4, 640 + 107 + 8, 3), (TILE + 4, TILE + 4, 3)]
    sheet = stack_rows(rows)
    assert sheet.shape == (2 * (TILE + 4), 755, 3)
    assert (sheet[TILE + 4 :, TILE + 4 :] == 255).all()
