import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "make_synthetic.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_writes_a_data_set(tmp_path):
    done = run("--out", tmp_path, "--train", 1, "--val", 2, "--size", 96, 64, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "1 + 2 images written" in done.stdout
    assert len(list(tmp_path.glob("coco/images/*/*.jpg"))) == 3


def test_a_mistake_is_one_sentence_and_exit_code_two(tmp_path):
    done = run("--out", tmp_path, "--people", 4, 9)
    assert done.returncode == 2
    assert "People per image" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_sizes_seed_and_people():
    text = run("--help").stdout
    assert all(
        word in text for word in ("--size", "--seed", "--people", "pixels", "people per image")
    )
