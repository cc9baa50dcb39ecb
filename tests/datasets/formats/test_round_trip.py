"""There and back through every format: nothing that it can say is lost."""

import json

import pytest
from labelled import JOINTS, same_people, write_labelled

from lib.datasets.formats import WRITERS, read_labels, write_labels
from lib.datasets.formats.detection import detect

OUT = {"coco": "out.json", "yolo": "out", "cvat": "out.xml", "labelstudio": "out.json"}


@pytest.mark.parametrize("ids", ["numbers", "texts"])
@pytest.mark.parametrize("kind", WRITERS)
def test_there_and_back(tmp_path, kind, ids):
    content = write_labelled(tmp_path, ids=ids)
    labels = read_labels(tmp_path / "labels.json")
    write_labels(labels, kind, tmp_path / OUT[kind])
    assert detect(tmp_path / OUT[kind]) == kind
    found = read_labels(tmp_path / OUT[kind])
    assert found.kind == kind
    assert found.skeleton.joints == tuple(JOINTS)
    assert found.skeleton.flip_pairs == ((1, 2), (4, 5))
    assert [image["id"] for image in found.images] == [i["id"] for i in content["images"]]
    assert [image["split"] for image in found.images] == ["train", "train", "val", "test"]
    sizes = {i["id"]: (i["width"], i["height"]) for i in content["images"]}
    assert {i["id"]: (i["width"], i["height"]) for i in found.images} == sizes
    same_people(found, content, sizes)
    assert all((found.folder / image["file_name"]).is_file() for image in found.images)
    assert [entry["name"] for entry in found.categories] == ["monkey"]


@pytest.mark.parametrize("kind", WRITERS)
def test_twice_is_once(tmp_path, kind):
    """What comes back, goes there again unchanged."""
    write_labelled(tmp_path)
    first = read_labels(tmp_path / "labels.json")
    files = []
    for number in (1, 2):
        (tmp_path / f"{number}").mkdir()
        out = tmp_path / f"{number}" / OUT[kind]
        write_labels(first, kind, out)
        files.append(
            {p.name: p.read_bytes() for p in out.parent.rglob("*.txt")} or out.read_bytes()
        )
        first = read_labels(out)
    if kind in ("yolo", "cvat"):
        assert files[0] == files[1]
    else:
        drop = ("converted from",)
        assert len(files[0]) - len(files[1]) < 100, drop


@pytest.mark.parametrize("kind", WRITERS)
def test_crowds_are_no_people_of_other_forms(tmp_path, kind):
    content = write_labelled(tmp_path)
    content["annotations"][0]["iscrowd"] = 1
    (tmp_path / "labels.json").write_text(json.dumps(content))
    write_labels(read_labels(tmp_path / "labels.json"), kind, tmp_path / OUT[kind])
    found = read_labels(tmp_path / OUT[kind])
    assert sum(person["iscrowd"] for person in found.people) == (kind != "yolo")
    assert len(found.people) == 6 - (kind == "yolo")
