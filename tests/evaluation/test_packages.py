import pytest
from textbook.random_coco import random_coco

from lib.evaluation import coco, packages
from lib.utils.errors import ConfigError


def test_an_unknown_evaluator_is_named():
    dataset, rows = random_coco(0)
    with pytest.raises(ConfigError, match=r"one of .*own.*got 'quick'"):
        coco.evaluate_coco(dataset, rows, evaluator="quick")
    with pytest.raises(ConfigError, match="got 'quick'"):
        coco.evaluate_coco_boxes(dataset, rows, evaluator="quick")


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(packages.PACKAGES, "fast", "no_such_package")
    dataset, rows = random_coco(0)
    with pytest.raises(ConfigError, match="pip install no-such-package, or choose 'own'"):
        coco.evaluate_coco(dataset, rows, evaluator="fast")
