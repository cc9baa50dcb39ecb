import json

import numpy as np
import pytest
from labelled import JOINTS, write_labelled

from lib.datasets.formats import ReadSettings, read_labels, write_labels
from lib.utils.errors import ConfigError, DataError

OUT = {"yolo": "out", "cvat": "out.xml", "labelstudio": "out.json"}


@pytest.fixture
def scored(tmp_path):
    """Results of the labelled pictures: everybody as annotated, confidences by joint."""
    content = write_labelled(tmp_path)
    rows = []
    for n, row in enumerate(content["annotations"]):
        joints = np.reshape(row["keypoints"], (-1, 3)).astype(float)
        joints[:, 2] = np.linspace(0.1, 0.9, len(joints))
        rows.append({"image_id": row["image_id"], "category_id": 3, "score": 0.1 + 0.15 * n})
        rows[-1]["keypoints"] = joints.ravel().tolist()
    (tmp_path / "results.json").write_text(json.dumps(rows))
    return tmp_path, rows


def read(folder, **options):
    settings = ReadSettings(truth=str(folder / "labels.json"), **options)
    return read_labels(folder / "results.json", settings=settings)


def test_results_become_labels(scored):
    folder, rows = scored
    found = read(folder)
    assert found.kind == "results"
    assert found.predicted
    assert found.skeleton.joints == tuple(JOINTS)
    assert [p["score"] for p in found.people] == [row["score"] for row in rows[1:]]  # 0.1 < 0.2
    marks = [p["keypoints"][2::3] for p in found.people]
    assert all(own == [0, 2, 2, 2, 2, 2, 2] for own in marks)
    assert len(found.images) == 4


@pytest.mark.parametrize("kind", OUT)
def test_results_go_to_every_tool(scored, kind):
    folder, _ = scored
    found = read(folder)
    write_labels(found, kind, folder / OUT[kind])
    again = read_labels(folder / OUT[kind])
    assert len(again.people) == len(found.people)
    np.testing.assert_allclose(
        [p["keypoints"] for p in again.people], [p["keypoints"] for p in found.people], atol=1e-4
    )
    if kind == "labelstudio":
        task = json.loads((folder / "out.json").read_text())[0]
        assert task["predictions"][0]["score"] > 0
        assert "annotations" not in task
    if kind == "cvat":
        assert 'source="auto"' in (folder / "out.xml").read_text()


def test_results_that_name_their_pictures(scored):
    folder, rows = scored
    names = {400: "clips/train_0.png", 403: "clips/train_1.png", 406: "clips/val_2.png"}
    for row in rows:
        row |= {"file_name": names[row["image_id"]], "keypoints": row["keypoints"][:3] * 17}
    (folder / "results.json").write_text(json.dumps(rows))
    found = read_labels(folder / "results.json", settings=ReadSettings(joint_score=0.05))
    assert found.skeleton.name == "coco"
    assert {i["file_name"] for i in found.images} == set(names.values())


def test_mistakes_are_one_sentence(scored):
    folder, rows = scored
    with pytest.raises(ConfigError, match="does not name its pictures"):
        read_labels(folder / "results.json")
    (folder / "results.json").write_text(json.dumps([{**rows[0], "keypoints": [1, 2]}]))
    with pytest.raises(DataError, match="'keypoints' of result 0 must list"):
        read(folder)
    (folder / "results.json").write_text(json.dumps([{**rows[0], "keypoints": [1, 2, 0.5]}]))
    with pytest.raises(DataError, match=r"other joints than .*labels\.json, which has 7"):
        read(folder)
    (folder / "results.json").write_text(json.dumps([{**rows[0], "image_id": 1}]))
    with pytest.raises(DataError, match="none of its 1 pictures"):
        read(folder)
