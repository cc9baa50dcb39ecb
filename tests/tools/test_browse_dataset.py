"""A sheet of the training data, and the names of what is suspicious."""

import json

import cv2
import numpy as np
import pytest
import yaml
from tinyrcnn import write_config
from tool_loader import load_script
from toys.two_stages import EXTRA, STAGES

from lib.codecs import build_codec
from lib.config import load_config
from lib.datasets.topdown import cut_crops, person_crops
from lib.structures.geometry import apply_affine, image_to_crop_affine
from lib.utils.errors import DataError

browse = load_script("tools/browse_dataset.py")


def test_sheet(tiny_config, tmp_path):
    words = ["--out", str(tmp_path), "--people", "2", "--views", "2"]
    counts = browse.main(["--cfg", str(tiny_config), *words, "DATASET.ROT_FACTOR", "45"])
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * (96 + 4), 4 * (64 + 4), 3)
    views = [sheet[:100, 68 * n : 68 * (n + 1)].astype(int) for n in range(4)]
    assert np.abs(views[1] - views[2]).mean() > 2
    flags = json.loads((tmp_path / "flags.json").read_text())
    assert {kind: len(ids) for kind, ids in flags.items()} == counts


def again(row):
    """The same person, annotated by somebody else: a pixel away, so that it is no mere copy."""
    joints = [n + 1 if i % 3 < 2 and row["keypoints"][i // 3 * 3 + 2] else n
              for i, n in enumerate(row["keypoints"])]  # fmt: skip
    return {**row, "id": 987654, "keypoints": joints}


def test_a_planted_fault_is_shown(tiny_config, synthpose, tmp_path):
    file = synthpose / "coco/annotations/person_keypoints_train2017.json"
    content = json.loads(file.read_text())
    row = next(r for r in content["annotations"] if r.get("num_keypoints", 0) > 5)
    content["annotations"].append(again(row))
    (tmp_path / "twice.json").write_text(json.dumps(content))
    words = [
        "--out",
        str(tmp_path),
        "--flagged",
        "DATASET.ANNOTATION",
        str(tmp_path / "twice.json"),
    ]
    counts = browse.main(["--cfg", str(tiny_config), *words])
    assert counts["annotated twice"] == 1
    assert json.loads((tmp_path / "flags.json").read_text())["annotated twice"] == [987654]


def test_nobody(tiny_config, synthpose, tmp_path):
    file = synthpose / "coco/annotations/person_keypoints_train2017.json"
    content = json.loads(file.read_text())
    content["annotations"] = []
    (tmp_path / "none.json").write_text(json.dumps(content))
    words = ["DATASET.ANNOTATION", str(tmp_path / "none.json"), "--out", str(tmp_path)]
    with pytest.raises(DataError, match="nobody to show"):
        browse.main(["--cfg", str(tiny_config), *words])


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("kind", ["bottomup", "rcnn"])
def test_models_of_whole_images_are_shown_whole_images(kind, split, synthpose, tmp_path, capsys):
    if kind == "rcnn":
        cfg, views = write_config(tmp_path, synthpose), 2
    else:
        cfg, views = tmp_path / "bottomup.yaml", 2 + 3
        content = {
            **STAGES,
            "MODEL": {"NAME": "pose_higher_hrnet", "EXTRA": EXTRA},
            "DATASET": {"DATASET": "coco", "ROOT": str(synthpose / "coco"), "INPUT_SIZE": 128,
                        "OUTPUT_SIZE": [32, 64], "SIGMA": 2},
        }  # fmt: skip
        cfg.write_text(yaml.safe_dump(content), encoding="utf-8")
    words = ["--out", str(tmp_path), "--people", "2", "--views", "2", "--split", split]
    browse.main(["--cfg", str(cfg), *words, "MODEL.PRETRAINED="])
    assert "2 images: " in capsys.readouterr().out
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[0] == 2 * 324
    if kind == "bottomup":
        assert sheet.shape[1] == views * 324
    (tmp_path / "sheet.png").unlink()
    name = "train2017" if split == "train" else "val2017"
    file = synthpose / f"coco/annotations/person_keypoints_{name}.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    row = next(r for r in content["annotations"] if r.get("num_keypoints", 0) > 5)
    content["annotations"].append(again(row))
    (tmp_path / "twice.json").write_text(json.dumps(content), encoding="utf-8")
    key = "DATASET.ANNOTATION" if split == "train" else "DATASET.ANNOTATION_TEST"
    words += ["--flagged", key, str(tmp_path / "twice.json")]
    counts = browse.main(["--cfg", str(cfg), *words])
    assert counts["annotated twice"] == 1
    assert (tmp_path / "sheet.png").is_file()


@pytest.mark.parametrize("name", ["gaussian", "udp"])
def test_the_annotated_person_is_cut_as_the_network_is_shown_it(name, tiny_config, monkeypatch):
    cfg = load_config(tiny_config, ["MODEL.TARGET_TYPE", name])
    codec = build_codec(cfg)
    people, skeleton = browse.load_people(cfg, train=True)
    person = people.select(np.array([browse.shown_people(people)[0]]))
    drawn = {}

    def keep(pixels, joints, *_, **__):
        drawn.update(pixels=pixels.copy(), joints=joints[0])
        return pixels

    monkeypatch.setattr(browse, "draw_poses", keep)
    browse.annotated(person, skeleton, codec, [], "coco")
    crops = person_crops(person, codec.input_size)
    for unbiased in (False, True):
        pixels = cut_crops(person.read_image(0), crops, codec.input_size, unbiased=unbiased)[0]
        matrix = image_to_crop_affine(crops, codec.input_size, unbiased=unbiased)[0]
        joints = apply_affine(matrix, person.keypoints[0])
        seen = person.visibility[0] > 0
        same = unbiased == (name == "udp")
        assert np.array_equal(pixels, drawn["pixels"]) == same
        assert np.allclose(joints[seen], drawn["joints"][seen], atol=1e-6) == same
