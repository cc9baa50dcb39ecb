import random

import pytest
from scripts.killing import compare

from lib.datasets.synthetic import Recipe, write_dataset


@pytest.mark.parametrize(
    ("task", "moments"), [("topdown", ["save", "stop"]), ("bottomup", ["step", "save"])]
)
def test_killed_run_ends_as_the_one_left_in_peace(task, moments, tmp_path, capsys):
    """``tests/scripts/kill_resume.py`` does twenty kills."""
    write_dataset(tmp_path, Recipe(train=4, val=2, seed=3, size=(160, 120)), workers=1)
    epochs = {"END_EPOCH": 4, "EVAL_PERIOD": 2, "LR_STEP": [2]}
    assert compare(task, tmp_path, moments, random.Random(1), **epochs)
    assert "2 kills" in capsys.readouterr().out
