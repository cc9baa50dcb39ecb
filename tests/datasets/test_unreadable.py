import pytest

from lib.datasets.unreadable import Unreadable
from lib.utils.errors import DataError


def test_images_are_named_once_and_counted_up_to_the_limit(caplog):
    unreadable = Unreadable(1)
    for _ in range(3):
        unreadable.note("a.jpg", DataError("Image a.jpg is cut off."))
    assert caplog.text.count("a.jpg is cut off. Training goes on") == 1
    with pytest.raises(DataError, match=r"2 training images .* b\.jpg.*MAX_BAD_IMAGES"):
        unreadable.note("b.jpg", DataError("Image b.jpg is empty."))
