import json
import logging

import numpy as np
from textbook.random_coco import random_coco

from lib.evaluation import evaluate_coco
from lib.evaluation.coco_files import read_truth_file
from lib.evaluation.diagnosis import diagnose
from lib.evaluation.sensitivity import ap_at_sigmas, assumed_joints, warn_of_assumed
from lib.evaluation.table import read_table
from lib.structures.skeleton import load_skeleton, skeleton_from_dict


def test_ap_at_other_sigmas_is_that_of_the_evaluator(tmp_path):
    dataset, rows = random_coco(3, images=9)
    (tmp_path / "results.json").write_text(json.dumps(rows))
    truth = read_truth_file(dataset)
    table, _ = read_table(truth, tmp_path / "results.json")
    coco = load_skeleton("coco")
    found = ap_at_sigmas(diagnose(table, coco), coco, (0.5, 1, 3))
    wanted = [
        evaluate_coco(dataset, rows, (factor * np.array(coco.sigmas)).tolist())["AP"]
        for factor in (0.5, 1, 3)
    ]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert found[0] < found[1] < found[2]


def test_assumed_sigmas_are_said_once(caplog):
    assert assumed_joints(load_skeleton("coco")) == []
    skeleton = skeleton_from_dict({"joints": ["a7", "b7", "c7"], "sigmas": [0.05, 0.1, 0.05]}, "x")
    assert assumed_joints(skeleton) == ["a7", "c7"]
    with caplog.at_level(logging.WARNING):
        warn_of_assumed(skeleton)
        warn_of_assumed(skeleton)
    assert caplog.text.count("AP rests on the sigma 0.05 for a7, c7") == 1
