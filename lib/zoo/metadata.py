"""Cards inside exported files, read without the packages that run them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

METADATA, ENTRY_KEY, ENTRY_VALUE = 14, 1, 2  # fields of ONNX's ModelProto, StringStringEntryProto
BYTES = 2  # wire type of what has a length; of the others 0 is a number, 1 has 8 bytes, 5 has 4
FIXED = {1: 8, 5: 4}
CARD_FILE = "card.json"  # its name inside TorchScript and torch.export files


def onnx_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of an ONNX file by key; ``{}`` if it has none, or is no such file.

    The file is a list of fields (Protocol Buffers); the network, one of them, is skipped.
    """
    texts: dict[str, str] = {}
    try:
        with path.open("rb") as file:
            for content in _fields(file, METADATA):
                entry = dict(_entry(content))
                texts[entry[ENTRY_KEY]] = entry.get(ENTRY_VALUE, "")
    except (EOFError, KeyError, UnicodeDecodeError):  # damaged; running it says how
        return {}
    return texts


def openvino_metadata(path: Path) -> dict[str, str]:
    """Return what the ONNX file said of itself that an OpenVINO file (.xml) was made of, by key."""
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError):  # damaged; running it says how
        return {}
    return {entry.tag: entry.get("value", "") for entry in root.iterfind("rt_info/framework/*")}


def archived_card(path: Path) -> dict[str, Any] | None:
    """Return the card of a TorchScript or torch.export file; None if there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.endswith(f"extra/{CARD_FILE}")]
            names += [n for n in archive.namelist() if n == f"extra_files/{CARD_FILE}"]  # torch 2.6
            return json.loads(archive.read(names[0])) if names else None
    except zipfile.BadZipFile:  # no archive, or damaged; loading it says how
        return None


def _fields(file: BinaryIO, wanted: int) -> Iterator[bytes]:
    """Yield the contents of the fields of that number; the others are skipped."""
    while (key := _number(file, at_start=True)) is not None:
        field, kind = key >> 3, key & 7
        if kind == BYTES:
            length = _number(file) or 0
            if field != wanted:
                file.seek(length, 1)
                continue
            yield _exactly(file, length)
        elif kind == 0:
            _number(file)
        elif kind in FIXED:
            _exactly(file, FIXED[kind])
        else:
            raise EOFError


def _entry(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield the fields of a small message, all of which are texts."""
    file = io.BytesIO(content)
    while (key := _number(file, at_start=True)) is not None:
        yield key >> 3, _exactly(file, _number(file) or 0).decode()


def _number(file: BinaryIO, *, at_start: bool = False) -> int | None:
    """Read a number of any length, 7 bits per byte, the lowest first; None at the end."""
    value = shift = 0
    while True:
        byte = file.read(1)
        if not byte:
            if at_start and not shift:
                return None
            raise EOFError
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            return value


def _exactly(file: BinaryIO, count: int) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise EOFError
    return content
