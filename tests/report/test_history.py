import cv2
import numpy as np

from lib.report.history import film_section, resource_section, timing_section, training_section


def lines(**values):
    return [{"kind": "train", "epoch": 0, "step": s, "loss": 1 / s, **values} for s in (1, 2, 3)]


def test_one_chart_per_loss_that_says_something_new():
    alone = training_section({"": lines(heatmap=1.0, lr=0.1, samples_per_s=5.0, waiting=0.3)}, "AP")
    assert "loss" in alone
    assert "heatmap" not in alone
    assert "waiting" not in alone
    several = training_section({"": lines(heatmap=1.0, push=0.5, pull=0.5, _accuracy=0.2)}, "AP")
    for name in ("heatmap", "push", "pull", ">accuracy<"):
        assert name in several


def test_evaluations_come_first_and_absent_scores_are_left_out():
    tested = [{"kind": "val", "epoch": e, "step": e, "AP": v} for e, v in ((1, 0.2), (2, 0.3))]
    page = training_section({"": [*lines(), *tested, {**tested[0], "AP": None}]}, "AP")
    assert page.index("AP on the test split") < page.index(">loss<")
    assert training_section({"": []}, "AP") == ""
    assert training_section({"": lines()[:1]}, "AP") == ""


def test_timing():
    page = timing_section({"seconds": {"load": 1.0, "predict": 3.0}, "people": 8})
    assert "4.0 s in all, 2.0 people per second (8 people)" in page
    assert timing_section({}) == timing_section({"seconds": {"load": None}}) == ""


def test_several_runs_share_a_chart_each_with_its_name():
    page = training_section({"small": lines(_hits=0.5), "large": lines()}, "AP")
    assert page.count("<figcaption>loss<") == 1
    assert page.count(">small</li>") == page.count(">large</li>") >= 1
    assert ">hits<" in page


def test_time_and_memory_with_the_advice_that_was_given():
    shares = {"waiting": 0.5, "sending": 0.125, "computing": 0.375, "evaluating": 0.25, "saving": 0}
    told = lines(**shares, host_gib=1.5, workers_gib=[0.25, 0.75])
    told[1] |= {"waiting": 0.8, "advice": "raise <it>.", "workers_gib": [0.25, 0.875]}
    page = resource_section(told)
    assert "<td>waiting</td><td>60.0 %</td>" in page
    assert "<td>training process</td><td>1.50 GiB</td>" in page
    assert "<td>largest loader</td><td>0.88 GiB</td>" in page
    assert "raise &lt;it&gt;." in page
    assert resource_section(lines()) == ""


def test_film_shows_the_frames_that_are_there_oldest_first(tmp_path):
    history = []
    for step in range(1, 31):
        cv2.imwrite(str(tmp_path / f"{step}.jpg"), np.zeros((4, 6, 3), np.uint8))
        history.append({"kind": "pictures", "step": step, "pictures": {"samples": f"{step}.jpg"}})
    page = film_section([*lines(), *history], tmp_path)
    assert page.count("<img") == 12
    assert page.index("after 1 steps") < page.index("after 30 steps")
    (tmp_path / "30.jpg").unlink()
    assert film_section(history, tmp_path).count("<img") == 11
    assert film_section(lines(), tmp_path) == ""


def test_film_has_the_last_frame_and_nothing_from_outside_the_run(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for file in (run / "one.jpg", run / "two.jpg", tmp_path / "secret.jpg"):
        cv2.imwrite(str(file), np.full((8, 6, 3), 90, np.uint8))
    files = ["one.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), "gone.jpg", 7, "two.jpg"]
    history = [
        {"kind": "pictures", "step": step, "pictures": {"samples": file}}
        for step, file in enumerate(files)
    ]
    html = film_section(history, run)
    assert html.count("<img") == 2
    assert "after 0 steps" in html
    assert "after 5 steps" in html
    assert "What it saw" in html
    last = film_section(history, run, "other", count=1)
    assert last.count("<img") == 1
    assert "after 5 steps" in last
    assert "What other saw" in last
    assert film_section([{"kind": "pictures", "step": 1, "pictures": ["x"]}], run) == ""
