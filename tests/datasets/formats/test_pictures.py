from pathlib import Path
from types import SimpleNamespace

import pytest

from lib.datasets.formats.pictures import place_pictures


@pytest.mark.parametrize("possible", [True, False])
def test_where_links_cannot_be_made_pictures_are_copied(possible, tmp_path, monkeypatch, caplog):
    def refuse(self, target):
        raise OSError(1314, "A required privilege is not held by the client")

    if not possible:  # as Windows does
        monkeypatch.setattr(Path, "symlink_to", refuse)
    names = ["a.jpg", "b.jpg", "gone.jpg"]
    for name in names[:2]:
        (tmp_path / name).write_bytes(name.encode())
    labels = SimpleNamespace(folder=tmp_path, images=[{"file_name": name} for name in names])
    targets = [tmp_path / "out" / name for name in names]
    assert place_pictures(labels, targets, "link") == 1
    assert [target.read_bytes() for target in targets[:2]] == [b"a.jpg", b"b.jpg"]
    assert [target.is_symlink() for target in targets[:2]] == [possible] * 2
    told = "2 pictures are copied: they cannot be links (A required privilege"
    assert (told in caplog.text) == (not possible)
