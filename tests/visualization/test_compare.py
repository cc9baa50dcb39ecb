import json
import re
from pathlib import Path

import pytest
from run_folder import make_data, make_run
from tool_loader import load_script

from lib.utils.errors import DataError

SCRIPT = Path(__file__).parents[2] / "visualization/compare.py"


@pytest.fixture
def runs(tmp_path):
    compare = load_script(SCRIPT)
    annotation, images, rows = make_data(tmp_path / "data", images=15)
    worse = [row for number, row in enumerate(rows) if number % 3]
    first = make_run(tmp_path / "a", annotation, worse, flip=False)
    second = make_run(tmp_path / "b", annotation, rows)

    def call(*flags):
        return compare.main(
            [
                str(first), str(second), "--gt-anno", str(annotation),
                "--image-path", str(images), "--resamples", "50", *flags,
            ]
        )  # fmt: skip

    return tmp_path, call


def test_screen_and_page(runs, capsys):
    folder, call = runs
    found = call("--out", str(folder / "page/compare.html"), "--cases", "2")
    scores = [
        json.loads((folder / name / "metrics.json").read_text())["metrics"]["AP"] for name in "ab"
    ]
    assert found.ap == pytest.approx(scores[1] - scores[0], abs=1e-12)
    assert found.low < found.ap < found.high
    shown = capsys.readouterr().out
    assert f"{found.ap:+.4f}" in shown
    assert "flip test: A has 'no', B has 'yes'" in shown
    page = (folder / "page/compare.html").read_text()
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Scores", "What each kind of error costs, in AP", "By joint",
        "Where they differ most",
    ]  # fmt: skip
    assert "data:image/jpeg" in page
    assert "Not the same conditions" in page


def test_what_cannot_be_compared(runs, tmp_path):
    folder, call = runs
    (folder / "a/results/keypoints_val2017_results_0.json").unlink()
    with pytest.raises(DataError, match="cannot be compared"):
        call()
