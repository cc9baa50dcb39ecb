import json

import cv2
import numpy as np
import pytest
from scipy.io import savemat
from tool_loader import draw

from lib.utils.errors import DataError


@pytest.fixture
def run(tmp_path):
    """Three people on two images; the second image is not on disk."""
    points = np.random.default_rng(0).uniform(20, 60, (3, 16, 2))
    records = [
        {"image": name, "joints": (p + 1).tolist(), "joints_vis": [1] * 16, "scale": 0.5}
        | {"center": [40, 40]}
        for name, p in zip(["a.jpg", "gone.jpg", "a.jpg"], points, strict=True)
    ]
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((90, 70, 3), 90, np.uint8))
    (tmp_path / "valid.json").write_text(json.dumps(records))
    savemat(tmp_path / "pred.mat", {"preds": points + 1})

    def call(*flags):
        files = (tmp_path / "pred.mat", tmp_path / "valid.json", tmp_path)
        return draw("mpii", *files, tmp_path / "out", *flags)

    return tmp_path, call, points


def test_all_people_of_an_image_in_one_picture(run, capsys):
    _, call, points = run
    (file,) = call()
    assert file.name == "score_1000_name_a.png"
    picture = cv2.imread(str(file))
    for x, y in np.round(points[[0, 2]]).astype(int).reshape(-1, 2):
        assert (picture[y, x] != 90).any()
    assert "1 pictures" in capsys.readouterr().out


def test_ground_truth_beside_it(run):
    _, call, _ = run
    (file,) = call("--draw-gt", "--style", "openpose")
    assert cv2.imread(str(file)).shape == (90, 144, 3)


def test_mistakes_are_one_sentence(run):
    folder, call, points = run
    savemat(folder / "pred.mat", {"preds": points[:2]})
    with pytest.raises(DataError, match=r"wanted \(3, 16, 2\)"):
        call()
    savemat(folder / "pred.mat", {"other": points})
    with pytest.raises(DataError, match=r"no field \['preds'\]"):
        call()
    (folder / "pred.mat").write_bytes(b"nonsense" * 40)
    with pytest.raises(DataError, match="not a MATLAB file"):
        call()
    (folder / "pred.mat").unlink()
    with pytest.raises(DataError, match="No file"):
        call()
    savemat(folder / "pred.mat", {"preds": points})
    (folder / "a.jpg").unlink()
    with pytest.raises(DataError, match="Nothing drawn"):
        call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": 5}, "'image' of entry 1 must be a file name"),
        ({"joints": [[1, 2]] * 15}, "'joints' of entry 1 must be 16 x 2"),
        ({"joints": "none"}, "'joints' of entry 1 must be 16 x 2"),
        ({"joints_vis": None}, "'joints_vis' of entry 1 must be 16 "),
        ({"scale": "large"}, "'scale' of entry 1 must be one"),
    ],
)
def test_records_of_another_type_are_named(run, change, message):
    folder, call, _ = run
    records = json.loads((folder / "valid.json").read_text())
    records[1] |= change
    (folder / "valid.json").write_text(json.dumps(records))
    with pytest.raises(DataError, match=rf"valid\.json: {message}"):
        call("--draw-gt")


def test_files_of_another_kind_are_named(run):
    folder, call, points = run
    with pytest.raises(DataError, match=r"No folder '.*nowhere': give --image-path"):
        call("--image-path", str(folder / "nowhere"))
    savemat(folder / "pred.mat", {"preds": points, "scores": points[:2, :, 0]})
    with pytest.raises(DataError, match=r"scores of \(2, 16\), wanted \(3, 16\)"):
        call()
    savemat(folder / "pred.mat", {"preds": "text"})
    with pytest.raises(DataError, match=r"no field \['preds'\] of numbers"):
        call()
    (folder / "valid.json").write_text('{"images": []}')
    with pytest.raises(DataError, match="must hold a list of people"):
        call()


def test_a_test_split_has_no_truth_to_draw(run):
    folder, call, _ = run
    records = json.loads((folder / "valid.json").read_text())
    records = [{k: v for k, v in r.items() if not k.startswith("joints")} for r in records]
    (folder / "valid.json").write_text(json.dumps(records))
    (file,) = call("--draw-gt")
    assert file.name == "score_0_name_a.png"
