from lib.config import load_config
from lib.tasks import build_task


def test_files_of_both_splits(tiny_config):
    task = build_task(load_config(tiny_config))
    train, test = task._source(train=True), task._source(train=False)
    assert train.annotation.name == "person_keypoints_train2017.json"
    assert test.annotation.name == "person_keypoints_val2017.json"
    assert task.test_source == test
