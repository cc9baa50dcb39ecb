import numpy as np

from lib.video.sinks import PictureFolder
from lib.video.sources import Frame


def test_names_that_differ_in_capital_letters_only(tmp_path):
    """On the disks of macOS and Windows they are one name."""
    picture = np.zeros((4, 6, 3), np.uint8)
    names = ["a/one.png", "b/ONE.png", "c/one_000001.png", "d/one.PNG"]
    with PictureFolder(tmp_path) as folder:
        for index, name in enumerate(names):
            folder.add(Frame(picture, name.partition("/")[2], index), picture)
    written = [path.name for path in tmp_path.iterdir()]
    assert len(written) == len({name.casefold() for name in written}) == 4
    assert {"one.png", "ONE_000001.png"} <= set(written)
