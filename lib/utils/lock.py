"""One program at a time writes to a folder, also on disks that several machines share.

The lock is a file that names its holder. On the holder's own machine the system says whether that
process still runs. Other machines cannot ask: the holder touches the file again and again, and a
lock that is not touched for ``STALE`` seconds counts as left behind by a process that was killed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from lib.utils.errors import BusyError
from lib.utils.processes import machine, mark_of

logger = logging.getLogger(__name__)

RUNNING = "running.lock"  # held as long as a program works in a folder
MOVING = "moving.lock"  # held while files of earlier programs make room
BEAT = 15.0  # seconds between two touches
STALE = 100.0  # seconds without one; NFS may hide one for a minute
_NO_PROCESS = 2**31  # numbers of processes are smaller
_POLL = 0.2  # seconds between two looks at somebody else's lock


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        doing: what for, for messages: ``training``.
        process: its number.
        mark: tells it from others that had this number before.
        host: its machine.
        start: when it took the lock, local time.
        group: name of a launcher's group; its processes are never there twice.
        token: tells this lock from every other.
    """

    doing: str
    process: int
    mark: str
    host: str
    start: str
    group: str
    token: str

    def __str__(self) -> str:
        """Return who it is, in words."""
        host = self.host.partition(" ")[0]
        return f"process {self.process} on {host} ({self.doing} since {self.start})"


class FolderLock:
    """Context that holds a folder, or is refused.

    SIGTERM inside it ends the process in an orderly way where nobody else handles the signal, so
    that the lock goes.

    Args:
        folder: made if it is not there.
        doing: what for, in a word that fits "... since".
        name: of the file.
        patience: seconds to wait for another holder before giving up.

    Raises:
        BusyError: somebody else holds it; on entry.
    """

    def __init__(
        self, folder: Path, doing: str, *, name: str = RUNNING, patience: float = 0.0
    ) -> None:
        self.path = folder / name
        self.patience = patience
        self.holder = Holder(
            doing=doing,
            process=os.getpid(),
            mark=mark_of(os.getpid()) or "",
            host=machine(),
            start=datetime.now().isoformat(" ", "seconds"),
            group=_launcher_group(),
            token=uuid.uuid4().hex,
        )
        self._released = threading.Event()
        self._before: object = None

    def __enter__(self) -> FolderLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + self.patience
        while not self._create():
            other = self._read()
            if other is not None and self._lives(other):
                if time.monotonic() >= deadline:
                    raise BusyError(self._refusal(other))
                time.sleep(_POLL)
            else:
                self._clear(other)
        self._before = _end_orderly_on_sigterm()
        threading.Thread(target=self._keep_alive, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)  # type: ignore[arg-type]
        if os.getpid() == self.holder.process and self._is_ours():
            with contextlib.suppress(OSError):
                self.path.unlink()

    def check(self) -> None:
        """Make sure that the folder is still ours before something is written to it.

        Raises:
            BusyError: somebody took it over, thinking that this process was gone.
        """
        other = self._read()
        if other is not None and other.token != self.holder.token:
            raise BusyError(
                f"{other} took over {self.path.parent}, because this process gave no sign of life "
                "for a while. Nothing more is written; what is there is the other's."
            )

    def _create(self) -> bool:
        """Write the file unless there is one."""
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(asdict(self.holder)).encode())
        return True

    def _read(self) -> Holder | None:
        """Return who holds the lock; None if nobody does, or it was left behind half-written."""
        for _ in range(10):  # somebody may be about to write
            try:
                return _holder(json.loads(self.path.read_bytes()))
            except FileNotFoundError:
                return None
            except (ValueError, TypeError, OSError):
                time.sleep(_POLL / 2)
        return None

    def _lives(self, other: Holder) -> bool:
        """Return whether the holder is still there; may take ``STALE`` seconds to find out."""
        if other.host == self.holder.host:
            mark = mark_of(other.process)
            return mark is not None and (not mark or not other.mark or mark == other.mark)
        if other.group and other.group == self.holder.group:
            return False  # the launcher has ended it before it started us
        first, age = self._touched(), self._age()
        if age < STALE:
            logger.warning("%s is locked by %s; waiting for a sign of life", self.path, other)
        while age < STALE:
            touched = self._touched()
            if touched is None or touched != first:
                return touched is not None
            time.sleep(_POLL)
            age += _POLL
        return False

    def _touched(self) -> float | None:
        return _touched(self.path)

    def _age(self, path: Path | None = None) -> float:
        """Return seconds since the last touch by the disk's own clock: machines' clocks differ."""
        probe = self.path.with_name(f"{self.path.name}.{self.holder.token}")
        try:
            probe.touch()
            now = probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)
        return max(0.0, now - (_touched(path or self.path) or now))

    def _clear(self, stale: Holder | None) -> None:
        """Take away the lock of ``stale`` if it still is the one that stands there.

        One at a time: whoever looked earlier and comes later must not take away the lock of the
        one who was faster.
        """
        guard = self.path.with_name(f"{self.path.name}.takeover")
        for path in (self.path, guard):
            if path.is_dir():
                raise BusyError(f"{path} is a folder, where a lock file must be; remove it.")
        try:
            os.close(os.open(guard, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            if self._age(guard) >= STALE:  # its maker was killed between two lines
                guard.unlink(missing_ok=True)
            time.sleep(_POLL / 4)
            return
        try:
            there = self.path.is_symlink() or self.path.exists()  # a link may lead nowhere
            if there and self._read() == stale:
                self.path.unlink(missing_ok=True)
                if stale is not None:
                    logger.warning("took over %s: %s is gone", self.path, stale)
        finally:
            guard.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        other = self._read()
        return other is not None and other.token == self.holder.token

    def _keep_alive(self) -> None:
        """Touch the file, by the disk's own clock, until the lock is released."""
        while not self._released.wait(BEAT):
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def _refusal(self, other: Holder) -> str:
        place = self.path.parent
        return (
            f"{place} is in use by {other}. Wait for it, stop it, or write to another folder "
            f"(another OUTPUT_DIR, YAML name or --out). If it is gone, delete {self.path}."
        )


@contextlib.contextmanager
def moving_files(folder: Path) -> Iterator[None]:
    """Hold what stands for the names inside ``folder`` while files move; waits its turn.

    Raises:
        BusyError: others did not finish within a minute.
    """
    with FolderLock(folder, "moving files", name=MOVING, patience=60.0):
        yield


def _holder(content: Any) -> Holder:
    """Return what a lock says, of later versions what this one knows.

    Raises:
        ValueError: it does not say who holds it.
    """
    if not isinstance(content, dict):
        raise ValueError("not a lock")
    found: dict[str, Any] = {field.name: content.get(field.name) for field in fields(Holder)}
    process = found.pop("process")
    texts = all(isinstance(value, str) for value in found.values())
    if type(process) is not int or not 0 < process < _NO_PROCESS or not texts:
        raise ValueError("not a lock")
    return Holder(process=process, **found)


def _touched(path: Path) -> float | None:
    """Return when a file was touched, None if it is not there."""
    try:  # opened, not only asked for: network disks are up to date then
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return None


def _launcher_group() -> str:
    name = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return "" if name == "none" else name


def _end_orderly_on_sigterm() -> object:
    """Let SIGTERM unwind the stack if it would end the process at once; return what was before."""
    if threading.current_thread() is not threading.main_thread():
        return None
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return None
    return signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)
