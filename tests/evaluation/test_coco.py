import contextlib
import copy
import io
import math
import sys
import time

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from textbook.average_precision import pose_numbers as textbook_numbers
from textbook.random_coco import random_coco, varied_coco

from lib.evaluation import coco, evaluate_crowdpose
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import ConfigError, DataError

EVALUATORS = ["own", "pycocotools", "fast"]


def reference_scores(dataset, rows, iou_type, sigmas=None):
    """Call pycocotools as its own demo does."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(dataset)
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(copy.deepcopy(rows)), iou_type)
        if sigmas is not None:
            run.params.kpt_oks_sigmas = np.asarray(sigmas)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [float("nan") if value == -1 else value for value in run.stats.tolist()]


def ground_truth_as_rows(dataset):
    return [
        {
            "image_id": a["image_id"],
            "category_id": a["category_id"],
            "keypoints": a["keypoints"],
            "bbox": a["bbox"],
            "score": 0.9,
        }
        for a in dataset["annotations"]
        if a["num_keypoints"] and not a["iscrowd"]
    ]


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize(
    ("joints", "options"),
    [
        (17, {}),
        (14, {"boxes": True}),
        (9, {"areas": (100.0, 900.0)}),  # neither medium nor large
        (17, {"areas": (10_000.0, 40_000.0), "crowds": False}),  # no medium
    ],
)
def test_pose_scores_equal_pycocotools(evaluator, joints, options):
    sigmas = (load_skeleton("coco").sigmas * 2)[3 : 3 + joints]
    for seed in range(5):
        dataset, rows = random_coco(seed, joints=joints, **options)
        before = copy.deepcopy((dataset, rows))
        found = coco.evaluate_coco(dataset, rows, sigmas, evaluator=evaluator)
        assert (dataset, rows) == before
        wanted = reference_scores(dataset, rows, "keypoints", sigmas)
        assert list(found) == list(coco.POSE_METRICS)
        assert list(found.values()) == pytest.approx(wanted, abs=1e-9, nan_ok=True)


def assert_own_numbers_are_pycocotools(seeds):
    for seed in seeds:
        dataset, rows, sigmas = varied_coco(seed)
        if not rows:
            continue  # pycocotools cannot score nothing
        found = coco.evaluate_coco(dataset, rows, sigmas, evaluator="own")
        wanted = reference_scores(dataset, rows, "keypoints", sigmas)
        assert list(found.values()) == pytest.approx(wanted, abs=1e-9, nan_ok=True), seed
        if "bbox" in rows[0]:
            found = coco.evaluate_coco_boxes(dataset, rows, evaluator="own")
            wanted = reference_scores(dataset, rows, "bbox")
            assert list(found.values()) == pytest.approx(wanted, abs=1e-9, nan_ok=True), seed
        nine = [
            list(evaluate_crowdpose(dataset, rows, sigmas, evaluator=evaluator).values())
            for evaluator in ("own", "pycocotools")
        ]
        assert nine[0] == pytest.approx(nine[1], abs=1e-9, nan_ok=True), seed


def test_own_numbers_equal_pycocotools_on_all_sorts_of_sets():
    assert_own_numbers_are_pycocotools(range(40))


@pytest.mark.slow
def test_own_numbers_equal_pycocotools_on_a_thousand_sets():
    assert_own_numbers_are_pycocotools(range(1000))


def test_own_numbers_equal_the_textbook():
    for seed in range(40):
        dataset, rows, sigmas = varied_coco(seed)
        found = coco.evaluate_coco(dataset, rows, sigmas)
        wanted = textbook_numbers(dataset, rows, sigmas.tolist())
        assert list(found.values()) == pytest.approx(wanted, abs=1e-9, nan_ok=True), seed


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_box_scores_equal_pycocotools(evaluator):
    dataset, rows = random_coco(3, boxes=True)
    found = coco.evaluate_coco_boxes(dataset, rows, evaluator=evaluator)
    wanted = reference_scores(dataset, rows, "bbox")
    assert list(found.values()) == pytest.approx(wanted, abs=1e-9, nan_ok=True)
    assert found["AP"] > 0


def test_chosen_images_only():
    dataset, rows = random_coco(0, images=12)
    chosen = [image["id"] for image in dataset["images"][::2]]
    part = {key: list(value) for key, value in dataset.items()}
    part["images"] = [i for i in part["images"] if i["id"] in chosen]
    part["annotations"] = [a for a in part["annotations"] if a["image_id"] in chosen]
    found = coco.evaluate_coco(dataset, rows, load_skeleton("coco").sigmas, image_ids=chosen)
    rows = [row for row in rows if row["image_id"] in chosen]
    wanted = reference_scores(part, rows, "keypoints", load_skeleton("coco").sigmas)
    assert list(found.values()) == pytest.approx(wanted, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_ground_truth_as_prediction_scores_one(evaluator):
    dataset, _ = random_coco(5)
    found = coco.evaluate_coco(dataset, ground_truth_as_rows(dataset), evaluator=evaluator)
    assert list(found.values()) == pytest.approx([1.0] * 10)


def test_half_a_pixel_matters():
    """The 0.5 shift of the one-stage model's pixels cannot be forgotten unnoticed."""
    dataset, _ = random_coco(5, areas=(100.0, 900.0))
    rows = ground_truth_as_rows(dataset)
    for row in rows:
        row["keypoints"] = [x + 0.5 if i % 3 < 2 else x for i, x in enumerate(row["keypoints"])]
    assert coco.evaluate_coco(dataset, rows)["AP"] < 1.0


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_no_results_score_zero_and_absent_sizes_nan(evaluator):
    dataset, _ = random_coco(0, areas=(10_000.0, 40_000.0))
    found = coco.evaluate_coco(dataset, [], evaluator=evaluator)
    assert found["AP"] == found["AR"] == found["AP (L)"] == 0
    assert math.isnan(found["AP (M)"])
    assert math.isnan(found["AR (M)"])
    dataset["annotations"] = []
    assert all(math.isnan(v) for v in coco.evaluate_coco(dataset, []).values())


def test_keys_a_custom_file_may_leave_out():
    """No area, crowd flag or count, and an annotation id 0 that pycocotools takes for no match."""
    dataset, rows = random_coco(2, joints=14, crowds=False)
    wanted_set = copy.deepcopy(dataset)
    for annotation in wanted_set["annotations"]:
        annotation["area"] = 0.53 * annotation["bbox"][2] * annotation["bbox"][3]
    for number, annotation in enumerate(dataset["annotations"]):
        for key in ("area", "iscrowd", "num_keypoints"):
            del annotation[key]
        annotation["id"] = number
    sigmas = load_skeleton("crowdpose").sigmas
    found = coco.evaluate_coco(dataset, rows, sigmas)
    wanted = reference_scores(wanted_set, rows, "keypoints", sigmas)
    assert list(found.values()) == pytest.approx(wanted, abs=1e-9, nan_ok=True)


def test_boxes_for_all_results_or_none():
    dataset, rows = random_coco(0, boxes=True)
    del rows[3]["bbox"]
    with pytest.raises(DataError, match="Result 3 has no 'bbox'"):
        coco.evaluate_coco(dataset, rows)
    with pytest.raises(DataError, match="Result 3 has no 'bbox'"):
        coco.evaluate_coco_boxes(dataset, rows)
    rows[0]["bbox"] = []  # the first row decides: sizes are those of the joints
    dataset["categories"] = [{"id": 1}]  # 17 unnamed joints are COCO's
    found = coco.evaluate_coco(dataset, rows)
    wanted = reference_scores(dataset, rows, "keypoints")
    assert list(found.values()) == pytest.approx(wanted, abs=1e-9, nan_ok=True)


def test_unknown_evaluator_and_missing_package(monkeypatch):
    dataset, rows = random_coco(0)
    with pytest.raises(ConfigError, match=r"TEST\.EVALUATOR must be one of"):
        coco.evaluate_coco(dataset, rows, evaluator="slow")
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(ConfigError, match="pip install faster-coco-eval"):
        coco.evaluate_coco(dataset, rows, evaluator="fast")


def test_nothing_is_printed(capsys):
    dataset, rows = random_coco(0)
    for evaluator in EVALUATORS:
        coco.evaluate_coco(dataset, rows, evaluator=evaluator)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_the_evaluators_own_tables_are_for_debugging(caplog, capsys, evaluator, level):
    """They say -1.000 where we say n/a."""
    dataset, rows = random_coco(0, areas=(10_000.0, 40_000.0))
    with caplog.at_level(level):
        scores = coco.evaluate_coco(dataset, rows, evaluator=evaluator)
    assert math.isnan(scores["AP (M)"])
    assert ("-1.000" in caplog.text) == (level == "DEBUG" and evaluator != "own")
    assert "-1.000" not in capsys.readouterr().out


FIVE = "coco_fake100/person_keypoints_val2014_"


KNOWN_SCORES = [
    (
        f"units/{FIVE}first100_rebuilt", f"units/{FIVE}fakekeypoints100_results",
        [0.37216, 0.63632, 0.34809, 0.38377, 0.38618, 0.51439, 0.73381, 0.50360, 0.50811, 0.52154],
        5e-6,
    ),
    (
        "units/fce_kp_gt", "units/fce_kp_dt",
        [
            0.5048844884, 0.7227722772, 0.6336633663, 0.4663366337, 0.7504950495,
            0.5181818182, 0.7272727273, 0.6363636364, 0.4666666667, 0.75,
        ],
        1e-9,
    ),
    (
        "units/example_coco_val", "units/example_coco_preds",
        [0.8609, 0.9931, 0.9109, 0.7756, 0.9373, 0.875, 1.0, 0.9167, 0.78, 0.9429],
        5e-5,
    ),
    (
        "units/example_crowdpose_val", "units/example_crowdpose_preds",
        [0.7877, 0.9881, 0.7314, 0.3, 0.8804, 0.8222, 1.0, 0.7778, 0.3, 0.8875],
        5e-5,
    ),
    (
        "coco/annotations/person_keypoints_val2017", "peers/pred_simplepose_gtbox_noflip",
        [0.5335, 0.8070, 0.5915, 0.5091, 0.5517, 0.5749, 0.8230, 0.6361, 0.5504, 0.5947],
        5.1e-5,
    ),
]  # fmt: skip


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize(("truth", "results", "wanted", "tolerance"), KNOWN_SCORES)
def test_known_scores(shared, evaluator, truth, results, wanted, tolerance):
    data = shared / "data"
    found = coco.evaluate_coco(
        data / f"{truth}.json", data / f"{results}.json", evaluator=evaluator
    )
    assert list(found.values()) == pytest.approx(wanted, abs=tolerance)


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize(("iou_type", "wanted"), [("bbox", 0.505), ("segm", 0.320)])
def test_known_box_and_mask_scores(shared, evaluator, iou_type, wanted):
    folder = shared / "data/units/coco_fake100"
    found = coco.evaluate_coco_boxes(
        folder / "instances_val2014_100.json",
        folder / f"instances_val2014_fake{iou_type}100_results.json",
        iou_type=iou_type,
        evaluator=evaluator,
    )
    assert found["AP"] == pytest.approx(wanted, abs=5e-4)


@pytest.mark.slow
def test_own_scores_come_five_times_as_fast_in_linear_time():
    """Processor time, as other processes may run; the figures in the documents are ratios, too."""
    seconds = {}
    spreads = list(load_skeleton("coco").sigmas)
    for images in (100, 800):
        dataset, rows = random_coco(0, images=images)
        for evaluator in ("own", "pycocotools"):
            start = time.process_time()
            coco.evaluate_coco(dataset, rows, evaluator=evaluator)
            seconds[evaluator, images] = time.process_time() - start
        start = time.process_time()
        textbook_numbers(dataset, rows, spreads)
        seconds["textbook", images] = time.process_time() - start
    assert seconds["pycocotools", 800] / seconds["own", 800] > 5
    assert seconds["textbook", 800] / seconds["own", 800] > 10
    assert seconds["own", 800] < 16 * seconds["own", 100]


def test_tables_of_others_go_to_the_debug_level(caplog, capsys):
    dataset, rows = random_coco(0)
    with caplog.at_level("DEBUG", logger="lib"):
        coco.evaluate_coco(dataset, rows, evaluator="pycocotools")
    assert "Average Precision" in caplog.text
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    assert capsys.readouterr().out == ""
