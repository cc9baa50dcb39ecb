"""A run owns its folder: a second one is refused, on all its ranks, before it touches a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lib.engine.distributed import broadcast_object, current_world
from lib.utils.errors import BusyError
from lib.utils.lock import FolderLock


@contextmanager
def own_folder(folder: Path) -> Iterator[FolderLock | None]:
    """Let rank 0 hold ``folder`` for the block; yield its lock there, None on the other ranks.

    Raises:
        BusyError: another process trains there; on every rank, so that none waits for rank 0.
    """
    lock, refusal = None, None
    with ExitStack() as stack:
        if current_world().is_main:
            try:
                lock = stack.enter_context(FolderLock(folder, "training"))
            except BusyError as error:
                refusal = str(error)
        refusal = broadcast_object(refusal)
        if refusal is not None:
            raise BusyError(refusal)
        yield lock
