import pytest
from labelled import write_labelled
from tool_loader import load_script

from lib.datasets.formats import read_labels
from lib.utils.errors import ConfigError, DataError


def convert(*words):
    return load_script("tools/data/convert.py").main([str(word) for word in words])


def test_says_what_it_reads_and_writes(tmp_path, capsys):
    write_labelled(tmp_path)
    convert(tmp_path / "labels.json", "--to", "yolo", "--out", tmp_path / "yolo")
    files = convert(tmp_path / "yolo", "--to", "coco", "--out", tmp_path / "coco")
    said = capsys.readouterr().out
    assert "(coco): 4 pictures" in said
    assert "(yolo): 4 pictures" in said
    assert "2 train, 1 val, 1 test" in said
    assert "6 annotations (monkey), 5 with joints, 0 crowds" in said
    assert "joints visible 15, occluded 10, not labelled 17" in said
    assert [file.name for file in files] == ["train.json", "val.json", "test.json"]
    assert f"wrote {files[0]}" in said
    parts = [read_labels(file) for file in files]
    assert [len(part.people) for part in parts] == [5, 1, 0]
    assert all((part.folder / part.images[0]["file_name"]).is_file() for part in parts)


def test_a_folder_of_splits_is_one_data_set(tmp_path):
    content = write_labelled(tmp_path)
    convert(tmp_path / "labels.json", "--to", "coco", "--out", tmp_path / "parts")
    whole = read_labels(tmp_path / "parts")
    assert {i["id"] for i in whole.images} == {i["id"] for i in content["images"]}
    assert {i["split"] for i in whole.images} == {"train", "val", "test"}
    assert all((whole.folder / image["file_name"]).is_file() for image in whole.images)


def test_nothing_is_written_over(tmp_path):
    write_labelled(tmp_path)
    words = (tmp_path / "labels.json", "--to", "coco", "--out")
    with pytest.raises(ConfigError, match="already exists"):
        convert(*words, tmp_path / "labels.json")
    with pytest.raises(ConfigError, match="already exists"):
        convert(*words, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "[1, 2]", "JSON of no known format"),
        ("a.json", '{"shapes": []}', "JSON of no known format"),
        ("a.json", "{", "is not JSON"),
        ("a.zip", "PK", "is an archive: unpack it"),
        ("a.slp", "", "is in HDF5: export the labels"),
        ("a.txt", "", "is of no known format"),
        ("a.csv", "a,b\n", "is a table with the columns"),
        ("a.json", '[{"joints": [], "center": []}]', "is in MPII's format"),
        ("a.json", '{"images": [], "annotations": []}', "lists no pictures"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        convert(tmp_path / name, "--to", "yolo", "--out", tmp_path / "out")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"There is no .*nothing\.json"):
        convert(tmp_path / "nothing.json", "--to", "yolo", "--out", tmp_path / "out")
