"""A page about runs that are still going on, served on this machine; it changes nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lib.report.history import (
    History,
    film_section,
    lines_of,
    resource_section,
    training_section,
)
from lib.report.page import chips, render_page, section, table, warning
from lib.report.run import read_history, shortest_names
from lib.report.worst import worst_section
from lib.utils.errors import ConfigError, DataError
from lib.utils.lock import RUNNING, STALE
from lib.utils.numbers import number

EVERY = 5  # seconds between two looks of the browser
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_FINAL = ("final_state.pth", "final_state.safetensors")
_SCORES = ("Mean", "whole AP", "AP")  # those a run is known by, where it has one of them
_NOT_SCORES = ("kind", "epoch", "step", "seconds")


class LiveRuns:
    """What run folders say now.

    Args:
        folders: run folders; they may be empty still, or not be there yet.

    Raises:
        DataError: something else has the name of a folder.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        for folder in folders:
            if folder.exists() and not folder.is_dir():
                raise DataError(f"{folder} is a file; give run folders (OUTPUT_DIR/...).")
        self.folders = list(dict.fromkeys(folders))

    @property
    def absent(self) -> list[Path]:
        """The folders that are not there yet."""
        return [folder for folder in self.folders if not folder.is_dir()]

    def answer(self) -> bytes:
        """Return the page, or why there is none just now, in UTF-8."""
        try:
            page = self.page()
        except OSError as error:  # a file that somebody moves just now
            page = render_page("Live", [warning(f"{error}. This page looks again.")])
        return page.encode(errors="replace")  # names of folders may be no UTF-8

    def page(self) -> str:
        """Return the page as HTML."""
        runs = {name: self._history(name) for name in self._names()}
        several = len(runs) > 1
        title = "Live: " + ", ".join(runs)
        parts = [
            f"<header><h1>{escape(title)}</h1>"
            f"{chips({'seen': time.strftime('%H:%M:%S'), 'again every': f'{EVERY} s'})}</header>",
            self._state_section(runs),
            training_section(runs if several else {"": next(iter(runs.values()))}, _primary(runs)),
            *self._sections(runs),
        ]
        return render_page(title, parts)

    def _sections(self, runs: dict[str, History]) -> Iterator[str]:
        """Yield what is about each run alone: its last samples, its worst ones, time and memory."""
        for name, folder in self._names().items():
            shown = name if len(runs) > 1 else ""
            yield film_section(runs[name], folder, shown, count=1)
            yield worst_section(runs[name], folder, shown)
            yield resource_section(runs[name], shown)

    def _names(self) -> dict[str, Path]:
        """Return the folders by the shortest names that tell them apart."""
        names = shortest_names(self.folders)
        return dict(zip(names, self.folders, strict=True))

    def _history(self, name: str) -> History:
        file = self._names()[name] / "metrics.jsonl"
        return read_history(file) if file.is_file() else []

    def _state_section(self, runs: dict[str, History]) -> str:
        primary = _primary(runs)
        heads = ("run", "", "epoch", "step", "loss", f"{primary}, last", "best", "samples/s")
        rows = []
        for name, folder in self._names().items():
            trained, tested = (lines_of(runs[name], kind) for kind in ("train", "val"))
            last: dict[str, Any] = trained[-1] if trained else {}
            scores = [
                line[primary] for line in tested if isinstance(line.get(primary), float | int)
            ]
            cells = [
                f"{last.get('epoch', '')}",
                f"{last.get('step', '')}",
                number(last.get("loss"), 4),
                number(scores[-1] if scores else None, 4),
                number(max(scores, default=None), 4),
                number(last.get("samples_per_s"), 1),
            ]
            rows.append([escape(name), escape(_state(folder, bool(trained))), *cells])
        return section("Runs", table(heads, rows))


def build_server(runs: LiveRuns, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server of the page, listening; ``serve_forever`` runs it.

    Args:
        runs: what to show.
        host: address to listen on.
        port: of it; 0 takes a free one.

    Raises:
        ConfigError: somebody else listens there, or nobody can.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Host", "").lower()
            name = asked if asked in LOOPBACK else asked.rpartition(":")[0]
            if host in LOOPBACK and name not in LOOPBACK:
                # A page of somebody else's, whose name leads here, must not read this one.
                self.send_error(403)
            elif self.path.partition("?")[0] != "/":
                self.send_error(404)
            else:
                self._answer(runs.answer())

        do_HEAD = do_GET  # noqa: N815

        def handle(self) -> None:
            """Answer; a browser that has gone away meanwhile is no matter."""
            with contextlib.suppress(ConnectionError):
                super().handle()

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Refresh", str(EVERY))  # no script is needed for that
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing of each request."""

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"Cannot listen on {host}:{port} ({reason}); choose another --port."
        ) from None


def _state(folder: Path, begun: bool) -> str:
    """Return whether a run goes on, in words."""
    lock = folder / RUNNING
    if lock.exists() and time.time() - lock.stat().st_mtime < STALE:
        return "running" if begun else "running, nothing recorded yet"
    if any((folder / name).exists() for name in _FINAL):
        return "finished"
    return "stopped" if begun else "not started"


def _primary(runs: dict[str, History]) -> str:
    """Return the name of the score that the runs are known by."""
    for history in runs.values():
        for line in reversed(lines_of(history, "val")):
            names = [name for name in line if name not in _NOT_SCORES]
            known = [name for name in _SCORES if name in names]
            if names:
                return (known or names)[0]
    return "AP"
