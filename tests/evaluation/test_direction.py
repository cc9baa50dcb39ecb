import pytest

from lib.evaluation.direction import lower_is_better


@pytest.mark.parametrize(
    "name",
    [
        "loss", "loss heatmap", "EPE", "coco/EPE", "NME (box)", "mpii-2/NME (diagonal)", "jitter",
        "epe EPE", "acceleration error", "coco/person calibration error",
    ],
)  # fmt: skip
def test_losses_and_errors_are_better_the_lower(name):
    assert lower_is_better(name)


@pytest.mark.parametrize(
    "name", ["", "AP", "AP .75", "coco/AP", "PCK@0.2 (<)", "found", "Mean@0.1", "lossy", "hits"]
)
def test_scores_are_not(name):
    assert not lower_is_better(name)
