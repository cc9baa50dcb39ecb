import json

import numpy as np
import pytest

from lib.utils.errors import DataError
from lib.utils.files import json_text, read_json


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


def test_arrays_become_lists_and_what_json_lacks_is_refused():
    tree = {
        "a": np.array([[1.5, 2.0]]),
        "b": [np.array([3, 4])],
        "c": np.array([], bool),
        "d": (1,),
    }
    text = json_text(tree)
    assert json.loads(text) == {"a": [[1.5, 2.0]], "b": [[3, 4]], "c": [], "d": [1]}
    assert text.count("\n") == 0 < json_text(tree, indent=1).count("\n")
    for value in (np.array([np.nan]), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            json_text({"a": value})
