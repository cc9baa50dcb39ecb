import pytest

from lib.utils.errors import DataError
from lib.utils.files import read_json


def test_content(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, null]}')
    assert read_json(tmp_path / "a.json") == {"a": [1, None]}


@pytest.mark.parametrize("content", [b"\xff\xfe\xfa", b"{", b"", b"[" * 100_000, b"{'a': 1}"])
def test_what_is_not_json_is_said(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"The box file .*a\.json is not JSON"):
        read_json(tmp_path / "a.json", "box")


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match=r"No file .*; check the path\."):
        read_json(tmp_path)
    with pytest.raises(DataError, match=r"No box file .*x\.json; look again\."):
        read_json(tmp_path / "x.json", "box", "look again")
