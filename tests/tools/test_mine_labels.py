import json

import numpy as np
import pytest
from labelled import write_labelled
from tool_loader import load_script

from lib.datasets.formats import read_labels
from lib.evaluation import label_errors
from lib.utils.errors import ConfigError, DataError


def run(path, *words):
    return load_script(path).main([str(word) for word in words])


@pytest.fixture
def scored(tmp_path):
    """Labels, one person of them mirrored, and results that are right."""
    content = write_labelled(tmp_path)
    rows = []
    for row in content["annotations"]:
        joints = np.reshape(row["keypoints"], (-1, 3)).astype(float)
        box = row["bbox"]
        centre = [box[0] + box[2] / 2, box[1] + box[3] / 2]
        joints[joints[:, 2] == 0, :2] = centre
        joints[:, 2] = np.where(joints[:, 2] > 0, 0.8, 0.1)
        rows.append({"image_id": row["image_id"], "category_id": 3, "score": 0.7})
        rows[-1] |= {"keypoints": joints.ravel().tolist(), "center": centre}
    (tmp_path / "results.json").write_text(json.dumps(rows))
    wrong = content["annotations"][3]
    joints = np.reshape(wrong["keypoints"], (-1, 3)).astype(float)
    joints[:, 2] = 2
    joints[joints[:, 0] == 0, :2] = wrong["bbox"][:2]
    shifted = int(np.flatnonzero(np.reshape(rows[3]["keypoints"], (-1, 3))[:, 2] > 0.5)[0])
    right = np.reshape(wrong["keypoints"], (-1, 3))[shifted, :2].copy()
    moved = np.reshape(wrong["keypoints"], (-1, 3)).astype(float)
    moved[shifted, 1] += 30
    wrong["keypoints"] = moved.ravel().tolist()
    (tmp_path / "labels.json").write_text(json.dumps(content))
    return tmp_path, wrong["id"], shifted, right


def test_found_shown_and_corrected(scored, capsys):
    folder, own, joint, right = scored
    words = (folder / "labels.json", folder / "results.json", "--out")
    run("tools/data/mine_labels.py", *words, folder / "looked")
    assert "1 doubtful, 0 to be corrected" in capsys.readouterr().out  # shifts are looked at first
    with pytest.raises(ConfigError, match=r"knows no 'shift'\. Did you mean shifted"):
        run("tools/data/mine_labels.py", *words, folder / "x", "--apply", "shift")
    words = (*words, folder / "doubts", "--apply", "shifted, extra")
    doubts = run("tools/data/mine_labels.py", *words)
    assert [(d.kind, d.annotation_id, d.joints) for d in doubts] == [("shifted", own, [joint])]
    assert "6 annotations, 1 doubtful, 1 to be corrected" in capsys.readouterr().out
    page = (folder / "doubts/sheet.html").read_text()
    assert f"annotation {own}" in page
    assert "data:image/jpeg" in page
    words = ("--corrections", folder / "doubts/corrections.json", "--to", "coco", "--out")
    run("tools/data/convert.py", folder / "labels.json", *words, folder / "mended.json")
    mended = {p["id"]: p for p in read_labels(folder / "mended.json").people}
    np.testing.assert_allclose(
        mended[own]["keypoints"][3 * joint : 3 * joint + 2], right, atol=1e-3
    )
    assert "1 replace, 0 remove, 0 add" in capsys.readouterr().out


def test_corrections_one_by_one(tmp_path):
    content = write_labelled(tmp_path)
    flat = [5.0, 6.0, 2] * 7
    entries = [
        {"apply": True, "action": "remove", "annotation_id": 71},
        {"apply": False, "action": "remove", "annotation_id": 73},
        {"apply": True, "action": "replace", "annotation_id": 75, "keypoints": flat},
        {"apply": True, "action": "add", "image_id": 409, "keypoints": [*flat[:-3], 9, 9, 1]},
    ]
    file = tmp_path / "c.json"
    file.write_text(json.dumps(entries))
    words = ("--corrections", file, "--to", "coco", "--out", tmp_path / "out.json")
    run("tools/data/convert.py", tmp_path / "labels.json", *words)
    found = {p["id"]: p for p in read_labels(tmp_path / "out.json").people}
    assert len(found) == len(content["annotations"])
    assert 71 not in found
    assert found[75]["keypoints"] == flat
    new = max(found)
    assert found[new]["image_id"] == 409
    np.testing.assert_allclose(found[new]["bbox"], [4.6, 5.7, 4.8, 3.6])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"action": "move"}, "'action' is 'move', wanted replace, remove, add"),
        ({"action": "remove", "annotation_id": 5}, "there is no annotation 5"),
        ({"action": "replace", "annotation_id": 71, "keypoints": [1, 2]}, "must be 21 numbers"),
        (
            {"action": "replace", "annotation_id": 71, "keypoints": [10**400, 1, 2] * 7},
            "must be 21 numbers",
        ),
        ({"action": "add", "image_id": 5, "keypoints": [1, 2, 2] * 7}, "there is no image 5"),
        ({"action": "add", "image_id": 400, "keypoints": [0] * 21}, "has no joints"),
    ],
)
def test_damaged_corrections_are_named(tmp_path, entry, message):
    write_labelled(tmp_path)
    (tmp_path / "c.json").write_text(json.dumps([{"apply": True, **entry}]))
    words = ("--corrections", tmp_path / "c.json", "--to", "coco", "--out", tmp_path / "out.json")
    with pytest.raises(DataError, match=message):
        run("tools/data/convert.py", tmp_path / "labels.json", *words)


def test_nothing_is_written_over(scored):
    folder = scored[0]
    with pytest.raises(ConfigError, match="already exists"):
        run(
            "tools/data/mine_labels.py",
            folder / "labels.json",
            folder / "results.json",
            "--out",
            folder,
        )


def test_what_is_applied_without_a_word_of_the_user(scored, monkeypatch):
    folder = scored[0]
    flat, found = np.ones((7, 3)), np.ones((7, 2))
    doubts = [
        label_errors.Doubt(kind, doubt, 400, 71, [0], "replace", flat, found)
        for kind, doubt in (("shifted", 0.9), ("missing", 0.8), ("mirrored", 0.27))
    ]
    monkeypatch.setattr(label_errors, "find_label_errors", lambda truth, rows: doubts)
    words = (folder / "labels.json", folder / "results.json", "--out", folder / "doubts")
    run("tools/data/mine_labels.py", *words)
    entries = json.loads((folder / "doubts/corrections.json").read_text())
    assert {e["kind"]: e["apply"] for e in entries} == {
        "shifted": False,
        "missing": False,
        "mirrored": True,
    }
