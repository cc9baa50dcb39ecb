import cv2
import numpy as np

from lib.report.worst import short_name, worst_section


def line(epoch, *samples, **more):
    losses, names = zip(*samples, strict=True)
    keys = [f"{epoch}:{place}" for place in range(len(samples))]
    return {
        "kind": "worst", "epoch": epoch, "step": 5 * epoch, "loss": list(losses), "key": keys,
        "name": list(names), **more,
    }  # fmt: skip


def test_last_epoch_and_who_comes_back(tmp_path):
    cv2.imwrite(str(tmp_path / "worst.jpg"), np.full((9, 7, 3), 50, np.uint8))
    history = [
        line(0, (3.5, "a/b/<one>.jpg (annotation 4)"), (2.5, "a/b/two.jpg (annotation 7)")),
        {"kind": "train", "step": 7},
        line(
            1, (1.5, "a/b/three.jpg (annotation 1)"), (0.25, "a/b/<one>.jpg (annotation 4)"),
            pictures={"worst": "worst.jpg"},
        ),
    ]  # fmt: skip
    html = worst_section(history, tmp_path)
    last, often = html.split("Often among the worst")
    assert "<td>1.5000</td><td>1:0</td><td>three.jpg (annotation 1)</td>" in last
    assert "<td>0.2500</td><td>1:1</td><td>&lt;one&gt;.jpg (annotation 4)</td>" in last
    assert "two.jpg" not in html
    assert "epoch 1: the views that were drawn" in last
    assert "<td>&lt;one&gt;.jpg (annotation 4)</td><td>2 of 2</td>" in often
    assert "three.jpg" not in often


def test_nothing_recorded_or_painted_shows_nothing(tmp_path):
    assert worst_section([{"kind": "train", "step": 7}], tmp_path) == ""
    html = worst_section([line(0, (3.5, "one"), (None, "two"))], tmp_path)
    assert "<img" not in html
    assert "Often" not in html
    gone = [line(0, (3.5, "one"), pictures={"worst": "../gone.jpg"})]
    assert "<img" not in worst_section(gone, tmp_path)


def test_folders_of_a_file_are_left_out():
    assert short_name("a/b.zip@c.jpg (annotation 3)") == "b.zip@c.jpg (annotation 3)"
    assert short_name("a\\c.jpg (image 3)") == "c.jpg (image 3)"
