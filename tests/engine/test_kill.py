import random

import pytest
from scripts.killing import compare

from lib.datasets.synthetic import Recipe, write_dataset


@pytest.mark.timeout(900)  # of a busy machine: it starts up a dozen trainings
@pytest.mark.parametrize(
    ("task", "moments", "epochs"),
    [
        ("topdown", ["save 2", "stop 2"], 4),
        ("bottomup", ["step 4", "record 3"], 12),
        ("mix", ["evaluation 1"], 4),
    ],
)
def test_killed_run_ends_as_the_one_left_in_peace(task, moments, epochs, tmp_path, capsys):
    """``tests/scripts/kill_resume.py`` does twenty kills at random moments."""
    write_dataset(tmp_path, Recipe(train=4, val=2, seed=3, size=(160, 120)), workers=1)
    length = {"END_EPOCH": epochs, "EVAL_PERIOD": epochs // 2, "LR_STEP": [2]}
    assert compare(task, tmp_path, moments, random.Random(1), **length)
    told = capsys.readouterr().out
    assert f"{len(moments)} kills" in told
    assert told.count(" yes") == moments.count("save 2")  # a half-written file was there
