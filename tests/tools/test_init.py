"""From a folder of another tool to a trained, tested model, with no file edited by hand."""

import json

import pytest
import yaml
from labelled import JOINTS, write_labelled
from tool_loader import load_script

from lib.datasets.formats import read_labels, write_labels
from lib.utils.errors import ConfigError, DataError

NINE = [0, 5, 6, 9, 10, 11, 12, 15, 16]  # of COCO's seventeen


def run(path, *words):
    return load_script(path).main([str(word) for word in words])


@pytest.fixture
def nine_joints(synthpose, tmp_path):
    """A YOLO-pose folder of nine joints, made of the drawn data set."""
    file = synthpose / "coco/annotations/person_keypoints_train2017.json"
    content = json.loads(file.read_text())
    category = content["categories"][0]
    category |= {"keypoints": [category["keypoints"][k] for k in NINE], "skeleton": []}
    content["annotations"] = [row for row in content["annotations"] if not row["iscrowd"]]
    for row in content["annotations"]:
        joints = [row["keypoints"][3 * k : 3 * k + 3] for k in NINE]
        row["keypoints"] = [value for joint in joints for value in joint]
        row["num_keypoints"] = sum(joint[2] > 0 for joint in joints)
    (tmp_path / "nine.json").write_text(json.dumps(content))
    images = synthpose / "coco/images/train2017"
    run(
        "tools/data/convert.py",
        tmp_path / "nine.json",
        "--images",
        images,
        "--to",
        "yolo",
        "--out",
        tmp_path / "yolo",
    )
    return tmp_path / "yolo"


@pytest.mark.slow
def test_from_yolo_to_poses(nine_joints, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("tools/data/convert.py", nine_joints, "--to", "coco", "--out", tmp_path / "labels.json")
    (experiment,) = run(
        "tools/data/init.py", tmp_path / "labels.json", "--resplit", "--name", "nine"
    )
    assert experiment == tmp_path.cwd() / "data/nine/nine.yaml" or experiment.is_file()
    fast = ["WORKERS", "0", "TRAIN.END_EPOCH", "1", "LOG_DIR", "log"]
    assert load_script("tools/doctor.py").main(["--cfg", str(experiment)])
    run("tools/train.py", "--cfg", experiment, *fast)
    metrics = run("tools/test.py", "--cfg", experiment, *fast)
    assert 0 <= metrics["AP"] <= 1
    picture = next((tmp_path / "yolo/images").rglob("*.jpg"))
    words = ("--out", tmp_path / "poses", "--detector", "none")
    run("tools/predict.py", picture, "--cfg", experiment, *words)
    assert list((tmp_path / "poses").iterdir())


def test_what_is_written(tmp_path, capsys):
    content = write_labelled(tmp_path)
    (experiment,) = run("tools/data/init.py", tmp_path / "labels.json", "--out", tmp_path / "start")
    said = capsys.readouterr().out
    assert "(coco): 4 pictures" in said
    assert "sigmas of Nose, LHand, RHand, tail, foot_l, foot_r, belly are assumed" in said
    assert "python tools/train.py --cfg" in said
    tree = yaml.safe_load(experiment.read_text())
    assert tree["MODEL"]["NUM_JOINTS"] == len(JOINTS)
    parts = {
        side: read_labels(tmp_path / f"start/{side}.json") for side in ("train", "val", "test")
    }
    assert [len(part.images) for part in parts.values()] == [2, 1, 1]
    assert sum(len(part.people) for part in parts.values()) == len(content["annotations"])
    assert all((p.folder / i["file_name"]).is_file() for p in parts.values() for i in p.images)


def test_folds_cover_all_pictures(tmp_path):
    write_labelled(tmp_path)
    words = (tmp_path / "labels.json", "--out", tmp_path / "start", "--folds", 2, "--no-look")
    experiments = run("tools/data/init.py", *words)
    assert [file.name for file in experiments] == [f"{tmp_path.name}_fold{k}.yaml" for k in (0, 1)]
    tested = [read_labels(tmp_path / f"start/fold{k}_val.json").images for k in (0, 1)]
    assert {i["id"] for part in tested for i in part} == {400, 403, 406, 409}


def test_joints_without_sides_are_not_mirrored(tmp_path):
    content = write_labelled(tmp_path)
    content["categories"][0]["keypoints"] = list("abcdefg")
    (tmp_path / "labels.json").write_text(json.dumps(content))
    (experiment,) = run("tools/data/init.py", tmp_path / "labels.json", "--out", tmp_path / "start")
    tree = yaml.safe_load(experiment.read_text())
    assert tree["DATASET"]["FLIP"] == 0
    assert tree["TEST"]["FLIP_TEST"] is False


def test_mistakes_are_one_sentence(tmp_path):
    write_labelled(tmp_path)
    file = tmp_path / "labels.json"
    with pytest.raises(ConfigError, match="already exists"):
        run("tools/data/init.py", file, "--out", tmp_path)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        run("tools/data/init.py", file, "--val", 20, "--out", tmp_path / "a")
    content = json.loads(file.read_text())
    one = {**content, "images": content["images"][:1], "annotations": content["annotations"][:1]}
    (tmp_path / "one.json").write_text(json.dumps(one))
    with pytest.raises(ConfigError, match=r"one\.json has 1 pictures to train on"):
        run("tools/data/init.py", tmp_path / "one.json", "--out", tmp_path / "c")
    (tmp_path / "nobody.json").write_text(json.dumps({**content, "annotations": []}))
    with pytest.raises(DataError, match=r"Nobody in .*nobody\.json has a labelled joint"):
        run("tools/data/init.py", tmp_path / "nobody.json", "--out", tmp_path / "d")
    with pytest.raises(ConfigError, match=r"no experiment nothing\.yaml"):
        run("tools/data/init.py", file, "--like", "nothing.yaml", "--out", tmp_path / "b")


def test_a_folder_of_yolo_needs_no_conversion(tmp_path):
    write_labelled(tmp_path)
    write_labels(read_labels(tmp_path / "labels.json"), "yolo", tmp_path / "yolo")
    (experiment,) = run("tools/data/init.py", tmp_path / "yolo", "--out", tmp_path / "start")
    assert yaml.safe_load(experiment.read_text())["DATASET"]["IMAGES"].endswith("yolo")
