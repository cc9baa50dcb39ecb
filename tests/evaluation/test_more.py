import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.config import load_config
from lib.evaluation import CocoEvaluator
from lib.evaluation.metrics import METRICS, metric
from lib.evaluation.more import MoreMetrics
from lib.structures.results import Poses
from lib.structures.skeleton import load_skeleton
from lib.tasks import build_task
from lib.utils.errors import ConfigError

COCO = load_skeleton("coco")


@METRICS.register("test: AP again")
@metric(primary="AP")
def again(subject):
    return {"AP": 0.25, "rows": float(len(subject.rows))}


@METRICS.register("test: broken")
@metric(primary="none")
def broken(subject):
    return {"none": float(subject.rows["no"])}


@pytest.fixture
def scored(tmp_path):
    """Return a function: names of more metrics -> all numbers, of the same people."""
    content, rows = random_coco(3, crowds=False)
    triples = np.array([row["keypoints"] for row in rows]).reshape(len(rows), 17, 3)
    poses = Poses(
        keypoints=triples[..., :2],
        keypoint_scores=triples[..., 2],
        scores=np.array([row["score"] for row in rows]),
        image_ids=np.array([row["image_id"] for row in rows]),
        boxes=np.zeros((len(rows), 4)),
        indices=np.arange(len(rows)),
        crops=np.ones((len(rows), 4)),
    )

    def score(*names):
        evaluator = CocoEvaluator(read(content), COCO, oks_thre=0, rescore_poses=False)
        more = MoreMetrics(evaluator, names, lambda: content)
        more.update(poses)
        assert more.primary == "AP"
        assert [file.is_file() for file in more.write(tmp_path)] == [True]
        return more.compute(), len(rows)

    return score


def read(content):
    from lib.evaluation.coco_files import read_truth_file

    return read_truth_file(content)


def test_numbers_stand_beside_the_data_sets_own(scored):
    plain, _ = scored()
    found, count = scored("test: AP again", "pck")
    assert {name: found[name] for name in plain} == pytest.approx(plain, nan_ok=True)
    assert found["test: AP again AP"] == 0.25  # the name was taken
    assert found["rows"] == count
    assert 0 <= found["PCK@0.2 (<)"] <= 1


def test_a_metric_that_fails_is_named(scored):
    with pytest.raises(ConfigError, match=r"'test: broken': broken of .* line \d+: TypeError"):
        scored("test: broken")


def test_metrics_of_a_configuration_are_checked_before_the_work(tiny_config, synthpose):
    for words, message in (
        (["TEST.METRICS=[pkc]"], r"TEST.METRICS: no metric 'pkc'. Did you mean pck"),
        (["TEST.METRICS=[pck]", "DATASET.DATASET=mpii"], "MPII has PCKh: leave it out"),
    ):
        with pytest.raises(ConfigError, match=message):
            build_task(load_config(tiny_config, words))


@pytest.mark.parametrize("dataset", ["coco", "crowdpose"])
def test_the_evaluators_of_data_sets_take_more_metrics(tiny_config, synthpose, dataset):
    words = ["TEST.METRICS=[pck,epe]", f"DATASET.DATASET={dataset}"]
    if dataset == "crowdpose":
        words += [f"DATASET.ROOT={synthpose}/crowdpose", "DATASET.TEST_SET=test"]
        words += ["MODEL.NUM_JOINTS=14"]
    task = build_task(load_config(tiny_config, words))
    numbers = task.build_evaluator().compute()  # of nobody
    assert {"AP", "PCK@0.2 (<)", "EPE", "found"} <= numbers.keys()
    assert numbers["found"] == 0
