import json

import pytest
from run_folder import make_data, make_run

from lib.config import load_config, save_config
from lib.report.run import analyse_poses, read_run
from lib.utils.errors import DataError


@pytest.fixture
def data(tmp_path):
    return make_data(tmp_path / "data")


def test_a_run_with_its_configuration(tmp_path):
    base = tmp_path / "coco"
    annotation, images, rows = make_data(tmp_path / "data")
    (base / "annotations").mkdir(parents=True)
    (base / "images").mkdir()
    annotation.rename(base / "annotations/person_keypoints_val2017.json")
    images.rename(base / "images/val2017")
    folder = make_run(
        tmp_path / "pose_resnet/tiny", base / "annotations/person_keypoints_val2017.json", rows
    )
    source = "experiments/coco/resnet/res50_256x192_d256x3_adam_lr1e-3.yaml"
    save_config(load_config(source, [f"DATASET.ROOT={base}"]), folder / "config.yaml")
    run = read_run(folder)
    assert run.name == "pose_resnet/tiny"
    assert run.source.images == f"{base}/images/val2017/"
    assert run.skeleton.name == "coco"
    assert "NUM_JOINTS" in run.settings
    assert [line["kind"] for line in run.history].count("val") == 2
    analysis = analyse_poses(run)
    assert analysis.diagnosis.ap == pytest.approx(run.metrics["AP"], abs=1e-12)
    moved = read_run(folder, images=str(tmp_path))
    assert moved.source.images == f"{tmp_path}/"
    assert moved.source.annotation == run.source.annotation


def test_a_run_with_given_files(tmp_path, data):
    annotation, images, rows = data
    folder = make_run(tmp_path / "run", annotation, rows)
    assert analyse_poses(read_run(folder)) is None
    run = read_run(folder, annotation=str(annotation), images=str(images))
    assert run.source.kind == "coco"
    analysis = analyse_poses(run)
    assert analysis.files[11] == f"{images}/{11:012d}.jpg"
    assert analysis.pixels(11).shape[1::-1] == analysis.sizes[11]
    dataset = json.loads(annotation.read_text())
    for image in dataset["images"]:
        image["crowdIndex"] = 0.5
    annotation.write_text(json.dumps(dataset))
    crowd = analyse_poses(read_run(folder, annotation=str(annotation)))
    areas = crowd.diagnosis.images[0].image.areas
    boxes = crowd.diagnosis.images[0].image.boxes
    assert areas == pytest.approx(0.53 * boxes[:, 2] * boxes[:, 3])


def test_what_is_no_run_folder(tmp_path):
    with pytest.raises(DataError, match=r"neither metrics\.json nor metrics\.jsonl"):
        read_run(tmp_path / "none")
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        read_run(tmp_path)


def test_a_test_split_has_nothing_to_analyse(tmp_path, data):
    annotation, _, rows = data
    folder = make_run(tmp_path / "run", annotation, rows)
    dataset = json.loads(annotation.read_text())
    del dataset["annotations"]
    annotation.write_text(json.dumps(dataset))
    assert analyse_poses(read_run(folder, annotation=str(annotation))) is None


def test_run_of_a_mix_is_read_for_its_curves(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    save_config(load_config("experiments/synthpose/mix/mix.yaml"), folder / "config.yaml")
    (folder / "metrics.jsonl").write_text(
        '{"kind": "val", "epoch": 0, "step": 3, "coco/AP": 0.25, "seconds": {}}\n'
        '{"kind": "val", "epoch": 1}\n\xff{"kind": "train", "step": "3", "epoch": 1}\n{"ki',
        encoding="latin-1",
    )
    run = read_run(folder)
    assert run.source is None
    assert analyse_poses(run) is None
    assert run.metrics == {"coco/AP": 0.25}
    assert len(run.history) == 1
