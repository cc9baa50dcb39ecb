from textbook.random_coco import random_coco

from lib.evaluation.diagnosis import diagnose
from lib.evaluation.table import read_table
from lib.report.reliability import reliability_section
from lib.report.run import PoseAnalysis
from lib.structures.skeleton import load_skeleton


def test_diagrams_and_a_row_per_joint():
    coco = load_skeleton("coco")
    dataset, rows = random_coco(0, images=12)
    table, _ = read_table(dataset, rows, coco.sigmas)
    part = reliability_section(PoseAnalysis(diagnose(table, coco), coco, {}))
    assert part.count("<svg") == 2
    assert "left ankle" in part
    assert "calibration error, people" in part
    nothing, _ = read_table(dataset, [], coco.sigmas)
    empty = reliability_section(PoseAnalysis(diagnose(nothing, coco), coco, {}))
    assert "n/a" in empty
