"""Pictures and videos in; JSON, pictures, videos, COCO results out."""

import json
import resource

import cv2
import numpy as np
import pytest
import torch
from tool_loader import load_script

from lib.api import PoseEstimator
from lib.config import load_config
from lib.utils.errors import BusyError, ConfigError, DataError
from lib.utils.lock import FolderLock

predict = load_script("tools/predict.py")


@pytest.fixture
def run(tiny_config, tmp_path):
    torch.manual_seed(0)
    network = PoseEstimator.from_config(
        load_config(tiny_config, ["TEST.FOLD_BN=false"]), device="cpu"
    ).network
    torch.save(network.state_dict(), tmp_path / "weights.pth")

    def call(source, *words):
        flags = ["--cfg", str(tiny_config), "--out", str(tmp_path / "out"), "--min-score", "-9"]
        model = ["TEST.MODEL_FILE", str(tmp_path / "weights.pth")]
        if not {"--boxes", "--detector"} & set(words):
            flags += ["--detector", "none"]
        file = predict.main([str(source), *flags, *words, *model])
        return json.loads(file.read_text())

    return call


def test_folder_with_a_box_file(run, synthpose, tmp_path):
    images = synthpose / "coco/images/val2017"
    boxes = next((synthpose / "coco/person_detection_results").iterdir())
    rows = [row for row in json.loads(boxes.read_text()) if row["score"] >= 0.3]
    found = run(images, "--boxes", str(boxes), "--coco", "--outline")
    assert (found["format"], found["version"]) == ("efepose-predictions", 1)
    assert found["skeleton"]["joints"] == found["model"]["joints"]
    assert sum(len(frame["people"]) for frame in found["frames"]) == len(rows)
    person = next(frame for frame in found["frames"] if frame["people"])["people"][0]
    assert np.shape(person["keypoints"]) == (17, 3)
    assert {"score", "box", "box_score"} <= person.keys()
    coco = json.loads((tmp_path / "out/coco_results.json").read_text())
    assert len(coco) == len(rows)
    assert {row["image_id"] for row in coco} == {row["image_id"] for row in rows}
    assert len(list((tmp_path / "out/pictures").iterdir())) == len(found["frames"]) == 4


def test_people_too_unsure_to_be_kept_are_counted(run, synthpose, capsys):
    images = synthpose / "coco/images/val2017"
    found = run(images, "--limit", "2", "--min-score", "99", "--no-pictures")
    assert [frame["people"] for frame in found["frames"]] == [[], []]
    assert "0 people on 2 frames (2 more below --min-score 99): " in capsys.readouterr().out


def test_batches_of_frames_change_nothing(run, synthpose):
    images = synthpose / "coco/images/val2017"
    boxes = str(next((synthpose / "coco/person_detection_results").iterdir()))
    words = ["--boxes", boxes, "--no-pictures"]
    together = run(images, *words, "--frames", "3", "TEST.BATCH_SIZE_PER_GPU", "2")
    alone = run(images, *words, "--frames", "1")
    for one, other in zip(together["frames"], alone["frames"], strict=True):
        assert len(one["people"]) == len(other["people"])
        for a, b in zip(one["people"], other["people"], strict=True):
            assert a["box"] == b["box"]
            np.testing.assert_allclose(a["keypoints"], b["keypoints"], atol=0.02)


def test_video_with_tracks(run, synthpose, tmp_path):
    picture = cv2.imread(str(next((synthpose / "coco/images/val2017").iterdir())))
    height, width = picture.shape[:2]
    file = tmp_path / "walk.mp4"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (width, height))
    for _ in range(5):
        writer.write(picture)
    writer.release()
    found = run(file, "--smooth", "--frames", "2")
    assert [frame["people"][0]["track"] for frame in found["frames"]] == [1] * 5
    video = cv2.VideoCapture(str(tmp_path / "out/walk_poses.mp4"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 5
    assert video.get(cv2.CAP_PROP_FPS) == 10


def write_video(file, frames, size=(64, 48)):
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, size)
    rng = np.random.default_rng(0)
    for _ in range(frames):
        writer.write(rng.integers(0, 255, (size[1], size[0], 3), np.uint8))
    writer.release()
    return file


def test_files_of_an_earlier_call_are_kept(run, tmp_path):
    video = write_video(tmp_path / "walk.mp4", 3)
    first = run(video)
    picture = tmp_path / "one.png"
    cv2.imwrite(str(picture), np.full((40, 30, 3), 90, np.uint8))
    run(picture, "--coco")
    earlier = tmp_path / "out/earlier-1"
    assert json.loads((earlier / "predictions.json").read_text()) == first
    assert (tmp_path / "out/walk_poses.mp4").is_file()  # nothing of that name was written again
    run(video, "--limit", "2", "--fade", "--labels")
    later = {path.name for path in (tmp_path / "out/earlier-2").iterdir()}
    assert later == {"predictions.json", "coco_results.json", "pictures", "walk_poses.mp4"}


def test_a_second_call_for_the_same_folder_is_refused(run, tmp_path):
    picture = tmp_path / "one.png"
    cv2.imwrite(str(picture), np.full((40, 30, 3), 90, np.uint8))
    first = run(picture)
    with (
        FolderLock(tmp_path / "out", "predicting", name=predict.PREDICTING),
        pytest.raises(BusyError, match="predicting since"),
    ):
        run(picture)
    assert not (tmp_path / "out/earlier-1").exists()
    with FolderLock(tmp_path / "out", "training"):
        assert run(picture) == first


def test_the_source_is_never_overwritten(run, tmp_path):
    (tmp_path / "out/pictures").mkdir(parents=True)
    picture = tmp_path / "out/pictures/one.png"
    cv2.imwrite(str(picture), np.full((40, 30, 3), 90, np.uint8))
    for source in (picture, picture.parent):
        with pytest.raises(ConfigError, match="give another --out"):
            run(source)
    video = write_video(tmp_path / "out/walk.mp4", 2)
    before = video.read_bytes()
    assert len(run(video)["frames"]) == 2
    assert video.read_bytes() == before


def test_pictures_of_one_name_in_two_folders_are_both_painted(run, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / f"in/{folder}").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f"in/{folder}/one.png"), np.full((40, 30, 3), 90, np.uint8))
    run(tmp_path / "in/**/*.png")
    names = sorted(path.name for path in (tmp_path / "out/pictures").iterdir())
    assert names == ["one.png", "one_000001.png"]


def test_a_box_file_of_other_images_is_refused(run, tmp_path):
    picture = tmp_path / "one.png"
    cv2.imwrite(str(picture), np.full((40, 30, 3), 90, np.uint8))
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps({"other.png": [[1, 2, 20, 30]]}))
    with pytest.raises(DataError, match=r"none of its 1 pictures \(other.png\) is in this source"):
        run(picture, "--boxes", str(boxes))


def test_pictures_of_two_folders_keep_apart_in_results(run, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / f"in/{folder}").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f"in/{folder}/5.png"), np.full((40, 30, 3), 90, np.uint8))
    content = run(tmp_path / "in/**/*.png", "--coco")
    assert [frame["name"] for frame in content["frames"]] == ["a/5.png", "b/5.png"]
    rows = json.loads((tmp_path / "out/coco_results.json").read_text())
    assert [(r["image_id"], r["file_name"]) for r in rows] == [(0, "a/5.png"), (1, "b/5.png")]


def test_a_camera_is_read_until_the_limit(run, monkeypatch):
    class Camera:
        def __init__(self, number):
            assert number == 0

        def isOpened(self):  # noqa: N802 - the name in OpenCV
            return True

        def get(self, key):
            return {cv2.CAP_PROP_FRAME_COUNT: -1.0}.get(key, 0.0)

        def read(self):
            return True, np.full((48, 64, 3), 90, np.uint8)

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    found = run("0", "--limit", "5", "--frames", "2", "--no-pictures")
    names = [frame["name"] for frame in found["frames"]]
    assert names == [f"camera0_{frame['index']:06d}" for frame in found["frames"]]
    assert len(set(names)) == 5  # not all that it gave: it does not wait
    assert names == sorted(names)


def test_an_address_is_a_source(run, site, tmp_path):
    site.files["walk.mp4?key=secret"] = write_video(tmp_path / "a.mp4", 4).read_bytes()
    found = run(site.address("walk.mp4?key=secret").replace("//", "//me:word@"))
    assert [frame["name"] for frame in found["frames"]] == [f"walk_{n:06d}" for n in range(4)]
    assert found["source"] == site.address("walk.mp4")
    assert (tmp_path / "out/walk_poses.mp4").is_file()


def test_some_joints_are_written_but_results_have_all(run, synthpose, tmp_path):
    images = synthpose / "coco/images/val2017"
    whole = run(images, "--coco")
    rows = json.loads((tmp_path / "out/coco_results.json").read_text())
    part = run(images, "--coco", "--joints", "left_wrist,nose")
    assert part["skeleton"]["joints"] == ["nose", "left_wrist"]
    for one, other in zip(part["frames"], whole["frames"], strict=True):
        for a, b in zip(one["people"], other["people"], strict=True):
            assert a["keypoints"] == [b["keypoints"][0], b["keypoints"][9]]
            assert a["score"] == b["score"]
    assert json.loads((tmp_path / "out/coco_results.json").read_text()) == rows
    with pytest.raises(ConfigError, match="no joint 'wing'"):
        run(images, "--joints", "wing")


def test_people_on_black_and_maps_on_the_picture(run, tmp_path):
    picture = tmp_path / "one.png"
    cv2.imwrite(str(picture), np.full((40, 30, 3), 90, np.uint8))
    run(picture, "--black", "--threshold", "9")
    assert not cv2.imread(str(tmp_path / "out/pictures/one.png")).any()
    run(picture, "--heatmap", "--threshold", "9")
    tinted = cv2.imread(str(tmp_path / "out/pictures/one.png"))
    assert tinted.shape == (40, 30, 3)


def test_numbers_of_frames_below_one_are_refused(run):
    for flag in ("--limit", "--frames"):
        with pytest.raises(SystemExit) as stop:
            run("0", flag, "0")
        assert stop.value.code == 2


@pytest.mark.slow
def test_memory_does_not_grow_with_the_frames(run, tmp_path):
    """Frames that were kept would add 0.9 MB each."""
    video = write_video(tmp_path / "walk.mp4", 150, (640, 480))
    run(video, "--limit", "30", "--smooth")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(video, "--smooth")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 60  # MB


def test_nothing_readable(run, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"broken")
    with pytest.raises(DataError, match="No frame"):
        run(tmp_path / "bad.jpg")
