"""What servers answer, and what of it is no file."""

from __future__ import annotations

import http
import re
import urllib.parse
from typing import Any

PAGES = ("text/html", "application/xhtml+xml", "application/json", "application/xml", "text/xml")


class BrokenError(Exception):
    """The connection ended early; what arrived is kept."""


def quoted(address: str) -> str:
    """Return an address as requests want it: blanks and letters beyond ASCII in its path quoted."""
    parts = urllib.parse.urlsplit(address)
    path, query = (urllib.parse.quote(text, safe="/%:@!$&'()*+,;=?~") for text in parts[2:4])
    return parts._replace(path=path, query=query, fragment="").geturl()


def refuse_page(response: Any, address: str) -> None:
    """Refuse a page of text in the place of a file: a login, or a notice of a proxy's."""
    if response.headers.get_content_type() in PAGES:
        raise BrokenError(f"{urllib.parse.urlsplit(address).netloc} sends a web page, not a file")


def first_byte(response: Any, start: int) -> int:
    """Return where in the file a response begins; a server may send more than was asked for.

    Raises:
        BrokenError: it begins later than what is here ends.
    """
    if getattr(response, "status", 200) != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    stated = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    first = int(stated[1]) if stated else start
    if first > start:
        raise BrokenError(f"it sends bytes from {first} on, {start} was wanted")
    return first


def words(error: BaseException) -> str:
    """Return the reason in an error of urllib's, which may wrap another."""
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
