"""Bad input through the real tools: exit code 2 and one sentence, or a warning and nothing lost."""

import json

import pytest
import yaml
from tool_loader import load_script
from toys.refusing import refused
from toys.two_stages import STAGES

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
def bottom_up(data, tiny_config, tmp_path):
    """Return words that run a tool with a tiny HigherHRNet on the copy."""
    path = tmp_path / "bottomup.yaml"
    path.write_text(yaml.safe_dump({"_BASE_": tiny_config.name, **BOTTOM_UP}))

    def words(*more):
        return ["--cfg", str(path), "DATASET.ROOT", str(data), *map(str, more)]

    return words


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
