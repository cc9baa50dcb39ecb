"""The doctor finds what is missing, and says nothing is wrong where nothing is."""

from labelled import EXIF
from tool_loader import load_script

doctor = load_script("tools/doctor.py")


def test_healthy(tiny_config, capsys):
    assert doctor.main([])
    assert doctor.main(["--cfg", str(tiny_config)])
    out = capsys.readouterr().out
    assert "FIX" not in out
    assert "17 joints (coco)" in out
    assert "4 of 4 sampled images can be read" in out
    assert "nothing to fix" in out


def test_everything_missing_is_named_in_one_go(tiny_config, tmp_path, capsys):
    words = ["TEST.USE_GT_BBOX", "0", "TEST.COCO_BBOX_FILE", "boxes.json"]
    more = ["MODEL.PRETRAINED", "start.pth", "TEST.MODEL_FILE", "w.pth", "MODEL.NUM_JOINTS", "16"]
    assert not doctor.main(["--cfg", str(tiny_config), *words, *more])
    out = capsys.readouterr().out
    for text in (
        "boxes.json is not there",
        "start.pth is missing",
        "No weight file w.pth",
        "to 17",
    ):
        assert text in out, text
    assert not doctor.main(["--cfg", str(tiny_config), "DATASET.ROOT", str(tmp_path)])
    assert "No annotation file" in capsys.readouterr().out


def test_a_missing_package(monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", ("efepose-of-nowhere",))
    assert list(doctor.packages())[1][0] == "FIX"


def test_turns_that_sizes_do_not_show_are_a_note(tiny_config, synthpose, tmp_path, capsys):
    folder = tmp_path / "turned"
    folder.mkdir()
    for file in sorted((synthpose / "coco/images/train2017").iterdir()):
        data = file.read_bytes()
        upside_down = EXIF.replace(bytes([6, 0]), bytes([3, 0]))
        assert upside_down != EXIF
        (folder / file.name).write_bytes(data[:2] + upside_down + data[2:])
    assert doctor.main(["--cfg", str(tiny_config), f"DATASET.IMAGES={folder}"])
    out = capsys.readouterr().out
    assert out.count(f"sampled images ({folder}") == 1  # of training; those of the test are upright
    assert "upside down" in out
