import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from run_folder import make_data, make_run
from scipy.io import savemat
from tool_loader import load_script

from lib.utils.errors import DataError

SCRIPT = Path(__file__).parents[2] / "visualization/report.py"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
VOID = {"meta", "img", "br", "line", "rect", "circle"}


class TagChecker(HTMLParser):
    """Fails where an element is closed that is not open, or not closed at all."""

    def __init__(self):
        super().__init__()
        self.open, self.headings = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def headings(page):
    checker = TagChecker()
    checker.feed(page)
    assert checker.open == []
    return checker.headings


@pytest.fixture
def run(tmp_path):
    report = load_script(SCRIPT)
    annotation, images, rows = make_data(tmp_path / "data")
    folder = make_run(tmp_path / "pose_hrnet/tiny", annotation, rows)

    def call(*flags, known=True):
        given = ("--gt-anno", str(annotation), "--image-path", str(images)) if known else ()
        return report.main(["--run", str(folder), *given, *flags]).read_text()

    return folder, call


def test_training_curves_of_other_runs_are_drawn_beside(run):
    folder, call = run
    other = shutil.copytree(folder, folder.with_name("other"))
    page = call("--run", str(folder), str(other))
    assert page.count("<figcaption>loss<") == 1
    assert "</i>tiny</li>" in page
    assert "</i>other</li>" in page


def test_the_page_has_all_parts_and_no_outside_resource(run):
    folder, call = run
    page = call("--cases", "2")
    assert headings(page) == [
        "Scores", "Why the score is not higher", "Precision and recall",
        "By joint and by size", "How much hangs on the sigmas", "Does a score mean what it says?",
        "Cases", "Training", "Time of the test",
    ]  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text())["metrics"]
    assert f"<b>{metrics['AP']:.3f}</b>" in page
    assert "Person boxes: annotated." in page
    assert "pose_hrnet/tiny" in page
    assert page.count("data:image/jpeg") >= 5
    sources = re.findall(r"(?:src|href)=\"([^\"]{5})", page)
    assert set(sources) == {"data:"}
    assert not re.search(r"https?://|<script|<link", page)
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]+", "", page))


def test_without_ground_truth_the_rest_is_there(run):
    folder, call = run
    page = call("--out", str(folder / "sub/page.html"), known=False)
    assert headings(page) == ["Scores", "Errors", "Training", "Time of the test"]
    assert "give --gt-anno" in page
    (folder / "results/keypoints_val2017_results_0.json").unlink()
    assert "run tools/test.py first" in call()
    (folder / "metrics.json").unlink()
    assert "during training, after 100 steps" in call()
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    (folder / "metrics.jsonl").write_text("\n".join(line for line in lines if "val" not in line))
    assert "Not scored yet" in call()


def test_predictions_of_another_test_are_noticed(run):
    folder, call = run
    report = json.loads((folder / "metrics.json").read_text())
    report["metrics"]["AP"] += 0.01
    (folder / "metrics.json").write_text(json.dumps(report))
    assert "one of the files is of another test" in call()


def test_of_several_data_sets_each_has_its_own_digits_and_the_first_is_drawn(tmp_path):
    scores = {"coco/AP .5": 0.71, "coco/AP": 0.3827, "mpii/Head": 86.26, "mpii/Mean": 0.5}
    (tmp_path / "metrics.json").write_text(json.dumps({"metrics": scores}))
    lines = [{"kind": "val", "step": step, "epoch": 0, **scores} for step in (7, 9)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    page = load_script(SCRIPT).main(["--run", str(tmp_path)]).read_text()
    shown = re.findall(r"<b>([\d.]+)</b>", page)
    assert shown == ["0.383", "0.710", "86.3", "0.5"]  # the first one first
    assert "coco/AP on the test split" in page


def test_an_mpii_run(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.uniform(20, 200, (3, 16, 2))
    heads = np.zeros((2, 2, 3))
    heads[1] = 40.0
    fields = {"jnt_missing": np.zeros((16, 3)), "headboxes_src": heads}
    savemat(tmp_path / "gt_valid.mat", fields | {"pos_gt_src": points.transpose(1, 2, 0)})
    records = [{"image": "none.jpg", "center": [20, 20], "scale": 0.5}] * 3
    (tmp_path / "valid.json").write_text(json.dumps(records))
    folder = tmp_path / "run"
    folder.mkdir()
    savemat(folder / "pred.mat", {"preds": points})
    (folder / "metrics.json").write_text(json.dumps({"metrics": {"Head": 99.0, "Mean": 100.0}}))
    call = load_script(SCRIPT).main
    page = call(["--run", str(folder), "--gt-anno", f"{tmp_path}/valid.json"]).read_text()
    assert headings(page) == ["Scores", "By joint", "Cases"]
    assert page.index("<b>100.0</b>") < page.index("<b>99.0</b>")  # the mean comes first
    savemat(folder / "pred.mat", {"preds": points[:2]})
    with pytest.raises(DataError, match="belong together"):
        call(["--run", str(folder), "--gt-anno", f"{tmp_path}/valid.json"])


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(run, width, scheme):
    """The console is silent: the page's policy would report any request, as it does a script."""
    folder, call = run
    probe = "<script>console.log('probe')</script>"
    page = call() + probe  # the page's own policy must stop it, and say so
    (folder / "report.html").write_text(page)
    shot = folder / "shot.png"
    done = subprocess.run(
        [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
            f"--window-size={width},3000", f"--screenshot={shot}",
            "--enable-logging=stderr", (folder / "report.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )  # fmt: skip
    messages = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert len(messages) == 1
    assert "Content Security Policy" in messages[0]
    corner = cv2.imread(str(shot))[2, 2]
    assert (corner.max() < 60) == (scheme == "dark")


def requests_of(page, folder):
    """Return the addresses that a page asks a browser for, without the browser's own errands."""
    log = folder / "net.json"
    flags = ("--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}")
    command = [CHROMIUM, "--headless=new", *flags, f"--log-net-log={log}", "--dump-dom"]
    subprocess.run([*command, page.as_uri()], capture_output=True, timeout=120, check=True)
    events = json.loads(log.read_text())["events"]
    details = [event["params"] for event in events if isinstance(event.get("params"), dict)]
    return {
        item["url"] for item in details if item.get("initiator", "not an origin") != "not an origin"
    }


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_no_request_leaves_the_page(run, tmp_path):
    folder, call = run
    call()
    assert requests_of(folder / "report.html", tmp_path) == set()
    control = tmp_path / "control.html"
    control.write_text('<img src="http://127.0.0.1:9/picture.png">')
    assert requests_of(control, tmp_path) == {"http://127.0.0.1:9/picture.png"}


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_phone_need_not_scroll_sideways(run, tmp_path):
    """The page's policy forbids scripts, so the check measures a copy without the policy."""
    folder, call = run
    report = json.loads((folder / "metrics.json").read_text())
    report["weights"] = "models/" + "a_long_name_" * 20  # nowhere to break
    report["metrics"]["AP"] += 0.01  # a warning with the path of the run
    (folder / "metrics.json").write_text(json.dumps(report))
    measure = "<script>document.title = innerWidth + ' ' + document.body.scrollWidth</script>"
    page = re.sub(r"<meta http-equiv[^>]*>", "", call()).replace("</body>", measure + "</body>")
    (folder / "copy.html").write_text(page)
    flags = ("--no-sandbox", "--disable-gpu", "--window-size=390,2000", "--dump-dom")
    command = [CHROMIUM, "--headless=new", *flags, (folder / "copy.html").as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    shown, needed = map(int, re.search(r"<title>(\d+) (\d+)", dumped.stdout).groups())
    assert shown <= 500  # as narrow as Chromium makes a window
    assert needed <= shown
