"""Bad input through the real tools: exit code 2 and one sentence, or a warning and nothing lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from tool_loader import ROOT, load_script
from toys.two_stages import STAGES

from lib.utils.cli import run_tool

train, score = load_script("tools/train.py"), load_script("tools/test.py")
BOTTOM_UP = {
    "MODEL": {
        "NAME": "pose_higher_hrnet",
        "IMAGE_SIZE": [256, 256],
        "HEATMAP_SIZE": [64, 64],
        "EXTRA": {"DECONV": {"NUM_CHANNELS": [4], "NUM_BASIC_BLOCKS": 1}},
    },
    "LOSS": STAGES["LOSS"],
    "DATASET": {"INPUT_SIZE": 64, "OUTPUT_SIZE": [16, 32], "SIGMA": 2},
    "TEST": {"WITH_HEATMAPS": [True, True], "WITH_AE": [True, False], "FLIP_TEST": False},
    "TRAIN": {"END_EPOCH": 1, "LR_STEP": []},
}


@pytest.fixture
def data(synthpose, tmp_path):
    """Copy synthpose; return its coco folder, which a test may damage."""
    shutil.copytree(synthpose / "coco", tmp_path / "coco")
    return tmp_path / "coco"


@pytest.fixture
def command(data, tiny_config):
    """Return words that run a tool on the copy; a few more may follow."""

    def words(*more):
        return ["--cfg", str(tiny_config), "DATASET.ROOT", str(data), *map(str, more)]

    return words


@pytest.fixture
def bottom_up(data, tiny_config, tmp_path):
    """Return words that run a tool with a tiny HigherHRNet on the copy."""
    path = tmp_path / "bottomup.yaml"
    path.write_text(yaml.safe_dump({"_BASE_": tiny_config.name, **BOTTOM_UP}))

    def words(*more):
        return ["--cfg", str(path), "DATASET.ROOT", str(data), *map(str, more)]

    return words


def refused(tool, words, capsys):
    """Run a tool that must leave with 2; return its sentence."""
    with pytest.raises(SystemExit) as left:
        run_tool(lambda: tool.main(words))
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    (sentence,) = [line for line in error.splitlines() if line.startswith("error: ")]
    return sentence


def annotations(data, split="val2017"):
    return data / f"annotations/person_keypoints_{split}.json"


def rewrite(file, change):
    """Let ``change`` work on the content of a JSON file."""
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def first_image(data, split):
    name = json.loads(annotations(data, split).read_text())["annotations"][0]["image_id"]
    images = json.loads(annotations(data, split).read_text())["images"]
    return data / "images" / split / next(i["file_name"] for i in images if i["id"] == name)


# --- images -----------------------------------------------------------------------------------


def test_training_goes_on_without_a_truncated_image_up_to_a_limit(command, data, capsys, caplog):
    image = first_image(data, "train2017")
    image.write_bytes(image.read_bytes()[:-500])
    assert train.main(command("TRAIN.END_EPOCH", 1, "TRAIN.LR_STEP", [])).finished
    assert f"{image.name} is cut off" in caplog.text
    assert "Training goes on without it" in caplog.text
    sentence = refused(train, command("DATASET.MAX_BAD_IMAGES", 0), capsys)
    assert image.name in sentence
    assert "MAX_BAD_IMAGES" in sentence


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-500]), "is cut off"),
        (lambda file: file.write_bytes(b"no picture"), "cannot be decoded"),
        (lambda file: file.unlink(), "cannot be read: No such file"),
    ],
)
def test_testing_fails_on_an_image_that_cannot_be_read(command, data, capsys, damage, words):
    image = first_image(data, "val2017")
    damage(image)
    sentence = refused(score, command("--untrained"), capsys)
    assert image.name in sentence
    assert words in sentence


# --- annotations and detections ---------------------------------------------------------------


def first(content):
    return content["annotations"][0]


@pytest.mark.parametrize("tool", ["train", "test"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("annotations"), "must hold 'images' and 'annotations'"),
        (lambda c: c["annotations"].append(first(c)), "occurs twice"),
        (lambda c: c["images"].append(c["images"][0]), "occurs twice"),
        (lambda c: first(c).update(bbox=[0, 0, float("nan"), 9]), "must be finite"),
        (lambda c: first(c).update(bbox=[0, 0, -9, 9]), "at least 0"),
        (lambda c: first(c).update(keypoints=[1, 2, 2] * 16), "has 16 joints"),
        (lambda c: first(c).update(area=-1), "'area' of annotation"),
        (lambda c: c["images"][0].update(width=0), "must be above 0"),
        (lambda c: c["images"][0].update(file_name=None), "'file_name' of image"),
        (lambda c: c["annotations"].clear() or c["categories"].clear(), "no category lists"),
    ],
)
def test_annotations_that_are_wrong_are_named(command, data, capsys, tool, change, words):
    split = "train2017" if tool == "train" else "val2017"
    rewrite(annotations(data, split), change)
    program, more = (train, []) if tool == "train" else (score, ["--untrained"])
    sentence = refused(program, command(*more), capsys)
    assert words in sentence
    assert annotations(data, split).name in sentence


def test_annotation_files_that_are_missing_or_not_json(command, data, capsys):
    annotations(data).write_text(annotations(data).read_text()[:1000])
    assert "is not JSON" in refused(score, command("--untrained"), capsys)
    annotations(data).unlink()
    assert "No annotation file" in refused(score, command("--untrained"), capsys)


def test_joints_outside_the_image_are_ignored_aloud(command, data, caplog):
    def move(content):
        person = next(row for row in content["annotations"] if row["num_keypoints"] > 2)
        k = next(k for k in range(17) if person["keypoints"][3 * k + 2])
        person["keypoints"][3 * k] = 5000

    rewrite(annotations(data), move)
    score.main(command("--untrained"))
    assert "1 joints outside their image are not trained on" in caplog.text


def test_boxes_without_area_and_images_without_people(command, data):
    def empty(content):
        kept = content["annotations"][-1]["image_id"]
        for row in content["annotations"]:
            if row["image_id"] != kept:
                row["bbox"] = [5, 5, 0, 0]
        content["images"].append({**content["images"][0], "id": 10**9})

    rewrite(annotations(data), empty)
    assert score.main(command("--untrained"))["AP"] >= 0


def detector(data, rows):
    file = data / "person_detection_results/mine.json"
    file.write_text(json.dumps(rows))
    return ["TEST.USE_GT_BBOX", "false", "TEST.COCO_BBOX_FILE", "mine.json", "TEST.IMAGE_THRE", "0"]


def test_a_detector_file_without_people(command, data, caplog, capsys):
    metrics = score.main(command("--untrained", *detector(data, [])))
    assert metrics["AP"] == 0  # there is truth, and nobody was found
    assert "none of its 0 rows is a person" in caplog.text
    rewrite(annotations(data), lambda content: content["annotations"].clear())
    capsys.readouterr()
    score.main(command("--untrained", *detector(data, [])))
    shown = capsys.readouterr().out
    scores = shown[shown.index("boxes: detector mine.json") :].splitlines()[2]
    assert set(scores.split()) == {"n/a"}


def test_detections_that_are_wrong_are_named(command, data, capsys):
    good = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    for row, words in (
        ({**good, "bbox": [1, 2, -3, 4]}, "at least 0"),
        ({**good, "score": None}, "a number 'score'"),
        ([1], "a number 'score'"),
    ):
        images = json.loads(annotations(data).read_text())["images"]
        row = {**row, "image_id": images[0]["id"]} if isinstance(row, dict) else row
        assert words in refused(score, command("--untrained", *detector(data, [row])), capsys)


# --- weights ----------------------------------------------------------------------------------


@pytest.fixture
def weights(command, tmp_path):
    """Train one epoch; return the weights."""
    train.main(command("TRAIN.END_EPOCH", 1, "TRAIN.LR_STEP", []))
    return tmp_path / "output/coco/pose_hrnet/tiny/final_state.pth"


class Code:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_weights_that_are_not_this_models(command, weights, tmp_path, capsys, caplog, monkeypatch):
    other = ["MODEL.EXTRA.STAGE4.NUM_CHANNELS", "[4,8,8,16]"]
    asked = ["TEST.MODEL_FILE", weights]
    sentence = refused(score, command(*asked, *other), capsys)
    assert "these are the weights of another model" in sentence
    assert "is (8, 8, 3, 3) in the file and (16, 8, 3, 3) in the model" in sentence
    fine = ["MODEL.PRETRAINED", weights, "TRAIN.END_EPOCH", 1, "TRAIN.LR_STEP", []]
    caplog.clear()
    train.main(command(*fine, *other, "MODEL.EXTRA.PRETRAINED_LAYERS", "['*']"))
    assert "other shapes, not loaded" in caplog.text
    weights.write_bytes(weights.read_bytes()[:5000])
    assert "is damaged" in refused(score, command(*asked), capsys)
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": torch.zeros(1)}, "extra": Code()}, weights)
    assert "could run code" in refused(score, command(*asked), capsys)
    assert not Path("executed").exists()


def test_weights_used_otherwise_than_trained(command, weights, caplog):
    words = ["TEST.MODEL_FILE", weights, "MODEL.TARGET_TYPE", "dark", "DATASET.COLOR_RGB", "false"]
    score.main(command(*words))
    assert "was trained with codec gaussian, and is used with dark" in caplog.text
    assert "was trained with color_rgb True, and is used with False" in caplog.text


def test_a_test_split_without_truth_is_written_and_not_scored(command, data, tmp_path, capsys):
    content = json.loads(annotations(data).read_text())
    listed = {"images": content["images"], "categories": content["categories"]}
    (data / "annotations/image_info_test-dev2017.json").write_text(json.dumps(listed))
    (data / "images/val2017").rename(data / "images/test2017")
    boxes = next((data / "person_detection_results").iterdir()).name
    words = ["TEST.USE_GT_BBOX", "0", "TEST.COCO_BBOX_FILE", boxes, "DATASET.TEST_SET"]
    score.main(command("--untrained", *words, "test-dev2017"))
    assert "not scored" in capsys.readouterr().out
    folder = tmp_path / "output/coco/pose_hrnet/tiny/untrained"
    assert json.loads((folder / "metrics.json").read_text())["metrics"] == {}
    assert [path.name for path in folder.rglob("*.zip")] != []


def test_a_head_with_another_number_of_joints(command, weights, capsys):
    state = torch.load(weights, weights_only=True)
    for name, value in state["state_dict"].items():
        if name.startswith("head."):
            state["state_dict"][name] = value[:16]
    torch.save(state, weights)
    sentence = refused(score, command("TEST.MODEL_FILE", weights), capsys)
    assert "another number of outputs, see MODEL.NUM_JOINTS" in sentence
    sentence = refused(train, command("MODEL.NUM_JOINTS", 16), capsys)
    assert "MODEL.NUM_JOINTS is 16, but people in" in sentence


# --- runs -------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_the_run(command, weights, capsys):
    state = torch.load(weights, weights_only=True)
    state["state_dict"]["head.final_layer.bias"][0] = float("inf")
    bad = weights.parents[4] / "bad.pth"  # files in the run folder are moved aside
    torch.save(state, bad)
    words = ["MODEL.PRETRAINED", bad, "MODEL.EXTRA.PRETRAINED_LAYERS", "['*']"]
    sentence = refused(train, command(*words), capsys)
    assert "not finite" in sentence
    assert ".jpg" in sentence  # which batch


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_ends_the_program_resumably_with_zero(command, tmp_path, number):
    words = command("TRAIN.END_EPOCH", 10_000, "TRAIN.EVAL_PERIOD", 0, "TRAIN.CHECKPOINT_ITERS", 2)
    program = [sys.executable, "tools/train.py", *words]
    folder = tmp_path / "output/coco/pose_hrnet/tiny"
    with (tmp_path / "out.txt").open("w") as out:
        run = subprocess.Popen(program, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 300
        while not (folder / "checkpoint.pth").is_file():
            assert run.poll() is None, (tmp_path / "out.txt").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        run.send_signal(number)
        assert run.wait(300) == 0, (tmp_path / "out.txt").read_text()
    finally:
        run.kill()
    assert "--resume" in (folder / "train.log").read_text()
    assert torch.load(folder / "checkpoint.pth", weights_only=True)["step"] > 0


def test_folders_that_are_files(command, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    for tool, more in ((train, []), (score, ["--untrained"])):
        sentence = refused(tool, command(*more, "OUTPUT_DIR", tmp_path / "taken"), capsys)
        assert "taken" in sentence


# --- bottom-up --------------------------------------------------------------------------------


def test_bottom_up_an_image_without_people_and_one_with_more_than_thirty(bottom_up, data):
    def crowd(content):
        images = [image["id"] for image in content["images"]]
        people = [row for row in content["annotations"] if row["num_keypoints"] > 5]
        content["annotations"] = [  # the other images: nobody
            {**people[0], "id": n + 1, "image_id": images[0], "iscrowd": 0} for n in range(34)
        ]

    for split in ("train2017", "val2017"):
        rewrite(annotations(data, split), crowd)
    assert train.main(bottom_up()).finished
    assert score.main(bottom_up())["AP"] >= 0


def test_bottom_up_images_of_crowds_only(bottom_up, data):
    def crowd(content):
        for row in content["annotations"]:
            x, y, w, h = row["bbox"]
            row.update(iscrowd=1, num_keypoints=0, keypoints=[0] * 51)
            row["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]

    for split in ("train2017", "val2017"):
        rewrite(annotations(data, split), crowd)
    assert train.main(bottom_up()).finished
    score.main(bottom_up())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["TEST.SCALE_FACTOR", "[0.5,2]"], "lacks 1: tags are taken at scale 1"),
        (["MODEL.NUM_JOINTS", "14"], "MODEL.NUM_JOINTS is 14, but people in"),
        (["DATASET.NUM_JOINTS", "14"], "DATASET.NUM_JOINTS 14 and MODEL.NUM_JOINTS 17 differ"),
        (["DATASET.DATASET_TEST", "mpii"], "MPII"),
    ],
)
def test_bottom_up_settings_that_contradict(bottom_up, capsys, words, sentence):
    assert sentence in refused(score, bottom_up("--untrained", *words), capsys)
