import subprocess
import sys

import pytest
from tool_loader import ROOT, load_script

TOOL = "tools/analyse/config.py"
CFG = str(ROOT / "experiments/coco/hrnet/w32_256x192_adam_lr1e-3.yaml")
OTHER = str(ROOT / "experiments/coco/hrnet/w48_256x192_adam_lr1e-3.yaml")


@pytest.fixture(scope="module")
def ask():
    return load_script(TOOL).main


def test_show_names_value_and_file(ask, capsys):
    lines = ask(["show", "--cfg", CFG, "--set", "--below", "train", "TRAIN.LR", "0.5"])
    assert capsys.readouterr().out.splitlines() == lines
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines}
    assert rows["TRAIN.LR"] == ["0.5", "command line"]
    assert rows["TRAIN.OPTIMIZER"][1].endswith("experiments/_base_/adam.yaml")
    assert "TRAIN.MOMENTUM" not in rows
    assert all(path.startswith("TRAIN.") for path in rows)
    assert len(ask(["show", "--cfg", CFG])) > 150


def test_diff_names_the_keys_that_differ_and_nothing_for_equal_files(ask):
    lines = ask(["diff", CFG, OTHER])
    rows = {line.split()[0]: line for line in lines[1:]}
    assert "[32, 64]" in rows["MODEL.EXTRA.STAGE2.NUM_CHANNELS"]
    assert "[48, 96]" in rows["MODEL.EXTRA.STAGE2.NUM_CHANNELS"]
    assert "TRAIN.LR" not in rows
    assert ask(["diff", CFG, CFG]) == ["no key differs"]


def test_explain_tells_one_key_whole_and_several_in_a_line_each(ask):
    lines = ask(["explain", "TRAIN.LR_FACTOR", "--cfg", CFG])
    facts = dict(line.split(maxsplit=1) for line in lines[1:])
    assert facts["takes"] == "a number, above 0 and at most 1"
    assert facts["here"].startswith("0.1  (")
    assert len(ask(["explain", "CUDNN", "SEED"])) == 3 + 4
    assert ask(["explain", "MODEL.EXTRA.STAGE2.NUM_BLOCKS", "--cfg", CFG])[1].split()[0] == "means"


def test_wrong_key_is_one_sentence_and_code_2():
    done = subprocess.run(
        [sys.executable, TOOL, "explain", "TRAIN.LRR"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "error: There is no key TRAIN.LRR. Did you mean TRAIN.LR?\n"
