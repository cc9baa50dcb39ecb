"""The exported file scores as the weights it was made of."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from tinyrcnn import write_config
from tool_loader import load_script

from lib.api import PoseEstimator
from lib.config import load_config
from lib.export.onnx_network import OnnxNetwork
from lib.tasks import build_task
from lib.utils.errors import ConfigError, ExportError, WeightsError

export, score = load_script("tools/export.py"), load_script("tools/test.py")
pytest.importorskip("onnxruntime")
ALL = ("--format", *export.ENDINGS)


def test_export_then_test(tiny_config, tmp_path, caplog):
    folder = tmp_path / "output/coco/pose_hrnet/tiny"
    words = ["--untrained", "--format", *export.ENDINGS]
    torch.manual_seed(0)
    differences = export.main(["--cfg", str(tiny_config), *words])
    assert set(differences) == {"onnx", "torchscript", "program"}
    card = OnnxNetwork(folder / "model.onnx").card
    assert card["input_size"] == [64, 96]
    assert card["heatmap_size"] == [16, 24]
    assert card["codec"] == "gaussian"
    assert len(card["joints"]) == 17

    torch.manual_seed(0)
    eager = score.main(["--cfg", str(tiny_config), "--untrained"])
    rows = read_rows(folder / "untrained/results")
    for ending in export.ENDINGS.values():
        file = str(folder / f"model{ending}")
        exported = score.main(["--cfg", str(tiny_config), "TEST.MODEL_FILE", file])
        again = read_rows(folder / "results")
        assert len(rows) == len(again)
        assert exported.keys() == eager.keys()
        for one, other in zip(rows, again, strict=True):
            assert one["score"] == pytest.approx(other["score"], abs=1e-4)

    with pytest.raises(ConfigError, match=r"RUNTIME openvino runs exported files; no file is none"):
        score.main(["--cfg", str(tiny_config), "--untrained", "TEST.RUNTIME", "openvino"])
    run = ["--cfg", str(tiny_config), "TEST.MODEL_FILE", str(folder / "model.onnx")]
    with pytest.raises(WeightsError, match="set MODEL"):
        score.main([*run, "MODEL.IMAGE_SIZE", "[96,128]", "MODEL.HEATMAP_SIZE", "[24,32]"])
    with pytest.raises(ConfigError, match="already"):
        export.main(run)
    caplog.clear()
    score.main([*run, "DATASET.COLOR_RGB", "false"])
    assert "was trained with color_rgb True, and is used with False" in caplog.text


def test_files_alone_are_models(tiny_config, tmp_path, synthpose, monkeypatch):
    """Neither YAML nor data set nor run folder is there when they are used."""
    torch.manual_seed(0)
    words = ["--cfg", str(tiny_config), "--untrained", "--out", str(tmp_path / "m")]
    export.main([*words, "--format", *export.ENDINGS])
    torch.manual_seed(0)
    words = ["TEST.FOLD_BN=false"]
    there = PoseEstimator.from_config(load_config(tiny_config, words), device="cpu")
    image = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    wanted = there.predict(image)[0]
    tiny_config.unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lib.annotations.reading.read_json", None)
    files = [(f"m{ending}", []) for ending in export.ENDINGS.values()]
    if find_spec("openvino"):
        files.append(("m.onnx", ["TEST.RUNTIME=openvino"]))
    for file, words in files:
        found = PoseEstimator.from_pretrained(file, device="cpu", overrides=words)
        assert ("OpenVINO" in found.network.runtime) == bool(words)
        assert found.skeleton.joints == there.skeleton.joints
        person = found.predict(image)[0]
        np.testing.assert_allclose(person.keypoints, wanted.keypoints, atol=0.01)
        np.testing.assert_allclose(person.keypoint_scores, wanted.keypoint_scores, atol=1e-4)


BINS = ["MODEL.NAME=simcc_hrnet"]
SLOW = {"udp": [], "dark": [], "softargmax": [], "megvii": [], "integral": [], "simcc": BINS}


@pytest.mark.parametrize(
    ("codec", "more"),
    [
        ("gaussian", []),
        *(pytest.param(codec, more, marks=pytest.mark.slow) for codec, more in SLOW.items()),
    ],
)
def test_a_file_may_read_the_joints_itself(tiny_config, tmp_path, codec, more):
    torch.manual_seed(0)
    words = [f"MODEL.TARGET_TYPE={codec}", *more]
    run = ["--cfg", str(tiny_config), *words]
    export.main([*run, "--untrained", "--joints", "--out", str(tmp_path / "m"), *ALL])
    torch.manual_seed(0)
    there = PoseEstimator.from_config(
        load_config(tiny_config, ["TEST.FOLD_BN=false", *words]), device="cpu"
    )
    image = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    boxes = [[5, 6, 40, 45], [20, 3, 66, 49]]
    wanted = there.predict(image, boxes)
    for ending in export.ENDINGS.values():
        found = PoseEstimator.from_pretrained(tmp_path / f"m{ending}", device="cpu")
        for person, other in zip(found.predict(image, boxes), wanted, strict=True):
            np.testing.assert_allclose(person.keypoints, other.keypoints, atol=0.01)
            np.testing.assert_allclose(person.keypoint_scores, other.keypoint_scores, atol=1e-4)
        assert not found.task.gives_heat
    file = f"TEST.MODEL_FILE={tmp_path / 'm.onnx'}"
    results = tmp_path / f"output/coco/{there.task.cfg.MODEL.NAME}/tiny/results"
    torch.manual_seed(0)
    scores = score.main([*run, "--untrained"])
    rows = [row["score"] for row in read_rows(results.parent / "untrained/results")]
    assert score.main([*run, file]) == pytest.approx(scores, abs=1e-6, nan_ok=True)
    assert [row["score"] for row in read_rows(results)] == pytest.approx(rows, abs=1e-4)
    with pytest.raises(ConfigError, match=r"exported with TEST\.FLIP_TEST True"):
        score.main([*run, file, "TEST.FLIP_TEST=false"])
    with pytest.raises(ExportError, match=r"TEST\.BIAS 1\.0 is in pixels of the image"):
        export.main([*run, "TEST.BIAS=1", "--untrained", "--joints"])


def test_a_file_of_torch_of_another_size_is_refused(tiny_config, tmp_path):
    words = ["--cfg", str(tiny_config), "--untrained", "--out", str(tmp_path / "m")]
    export.main([*words, "--format", "program"])
    run = ["--cfg", str(tiny_config), "TEST.MODEL_FILE", str(tmp_path / "m.pt2")]
    with pytest.raises(WeightsError, match=r"set MODEL\.IMAGE_SIZE"):
        score.main([*run, "MODEL.IMAGE_SIZE", "[96,128]", "MODEL.HEATMAP_SIZE", "[24,32]"])


def test_a_network_that_tests_compile_is_exported_as_it_is(tiny_config, tmp_path):
    words = ["--cfg", str(tiny_config), "--untrained", "--out", str(tmp_path / "m")]
    export.main(["--format", "torchscript", *words, "TEST.COMPILE", "true"])
    assert (tmp_path / "m.torchscript.pt").exists()


@pytest.fixture
def detector(synthpose, tmp_path):
    """A Keypoint R-CNN that finds people in drawn pictures, if not well: YAML and weights."""
    config = write_config(tmp_path, synthpose)
    torch.manual_seed(0)
    task = build_task(load_config(config))
    network = task.build_model()
    with torch.no_grad():  # outputs of their usual size, so that people and joints differ
        for name, weight in network.named_parameters():
            if any(part in name for part in ("cls_score", "bbox_pred", "rpn.head", "kps_score")):
                weight.add_(torch.randn_like(weight) * 0.05)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    return config, tmp_path / "w.pth"


def read_rows(results):
    return json.loads((results / "keypoints_val2017_results_0.json").read_text())


def people(folder):
    rows = read_rows(folder / "results")
    return sorted(
        ([row["image_id"], row["score"], *row["keypoints"]] for row in rows),
        key=lambda row: [round(value, 2) for value in row],
    )


@pytest.mark.parametrize(
    "words",
    [[], pytest.param(["TEST.FLIP_TEST=true"], marks=pytest.mark.slow)],
    ids=["plain", "flipped"],
)
def test_keypoint_rcnn_scores_the_same_from_its_file(detector, tmp_path, words):
    config, weights = detector
    run = ["--cfg", str(config), "TEST.BATCH_SIZE_PER_GPU=1", *words]
    folder = tmp_path / "output/coco/keypoint_rcnn/tiny"
    wanted = score.main([*run, f"TEST.MODEL_FILE={weights}"])
    rows = people(folder)
    assert len(rows) > 20
    out = ["--out", str(tmp_path / "m"), "--format", "onnx", "torchscript"]
    assert max(export.main([*run, f"TEST.MODEL_FILE={weights}", *out]).values()) < 1e-3
    for ending in (".onnx", ".torchscript.pt"):
        file = tmp_path / f"m{ending}"
        found = score.main([*run, f"TEST.MODEL_FILE={file}"])
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert found[name] == pytest.approx(value, abs=1e-6, nan_ok=True)
        again = people(folder)
        assert len(again) == len(rows)
        difference = np.abs(np.array(again) - rows)
        assert (difference[:, :2] < 1e-3).all()
        assert np.quantile(difference, 0.99) < 0.01  # equal peaks of noise may change places
    with pytest.raises(ConfigError, match=f"set TEST.FLIP_TEST {bool(words)}"):
        score.main([*run, f"TEST.MODEL_FILE={file}", f"TEST.FLIP_TEST={not words}"])


def test_a_file_of_keypoint_rcnn_alone_is_a_model(detector, tmp_path):
    config, weights = detector
    out = ["--out", str(tmp_path / "m"), f"TEST.MODEL_FILE={weights}"]
    export.main(["--cfg", str(config), *out])
    found = PoseEstimator.from_pretrained(tmp_path / "m.onnx", device="cpu")
    there = PoseEstimator.from_config(load_config(config), weights, "cpu")
    for size in ((100, 140), (131, 77)):
        image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
        wanted, people = there.predict(image), found.predict(image)
        assert len(people) == len(wanted) > 0
        np.testing.assert_allclose(people[0].box, wanted[0].box, atol=0.01)
    nobody = ["MODEL.EXTRA.TEST.SCORE_THRESH=0.9999", *out]
    export.main(["--cfg", str(config), *nobody])
    assert PoseEstimator.from_pretrained(tmp_path / "m.onnx", device="cpu").predict(image) == []


@pytest.mark.slow
def test_a_file_of_keypoint_rcnn_may_read_the_joints_itself(detector, tmp_path):
    config, weights = detector
    words = ["--cfg", str(config), "--joints", "--out", str(tmp_path / "m")]
    model = f"TEST.MODEL_FILE={weights}"
    with pytest.raises(ExportError, match=r"set DECODE fast and CLIP false"):
        export.main([*words, model])
    fast = "MODEL.EXTRA.TEST.DECODE=fast"
    export.main([*words, model, fast, "--format", "onnx", "torchscript"])
    there = PoseEstimator.from_config(load_config(config, [fast]), weights, "cpu")
    image = np.random.default_rng(0).integers(0, 255, (131, 77, 3), np.uint8)
    wanted = there.predict(image)
    assert wanted
    for ending in (".onnx", ".torchscript.pt"):
        found = PoseEstimator.from_pretrained(tmp_path / f"m{ending}", device="cpu")
        people = found.predict(image)
        assert len(people) == len(wanted)
        distances = [
            np.abs(a.keypoints - b.keypoints).max(axis=1)
            for a, b in zip(people, wanted, strict=True)
        ]
        assert np.quantile(distances, 0.95) < 0.01
