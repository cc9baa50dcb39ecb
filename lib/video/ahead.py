"""Reading ahead: a thread takes items from a source while others are worked on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import closing, nullcontext
from typing import Generic, TypeVar

Item = TypeVar("Item")


class ReadAhead(Generic[Item]):
    """Items of an iterable, read by a thread of its own; at most ``size`` of them wait.

    Where there is no room the thread waits, or, for a source that does not, the oldest item that
    waits is dropped and counted. The thread begins with the first `take`.

    Attributes:
        dropped: how many items were.
    """

    def __init__(self, items: Iterable[Item], size: int, *, drop: bool = False) -> None:
        self._items = items
        self._size = size
        self._drop = drop
        self._changed = threading.Condition()
        self._waiting: deque[Item] = deque()
        self._over = False  # nothing will be added any more, or nobody wants it
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def take(self, most: int, least: int = 1) -> list[Item]:
        """Wait for ``least`` items (at most ``size``), or the end; return up to ``most`` of them.

        An empty list is the end. What the source raised is raised behind its last item.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="read ahead", daemon=True)
            self._thread.start()
        least = min(least, self._size)
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) >= least or self._over)
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._changed.notify_all()
            if not taken and self._error is not None:
                raise self._error
        return taken

    def close(self, patience: float = 1.0) -> None:
        """End the thread; one that waits for its source is left to end with the next item."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(patience)

    def _read(self) -> None:
        try:
            # The source is closed by the thread that reads it: a camera in use must not be.
            iterator = iter(self._items)
            with closing(iterator) if isinstance(iterator, Generator) else nullcontext():
                for item in iterator:
                    if not self._add(item):
                        return
        except BaseException as error:  # told to whoever takes items
            self._error = error
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _add(self, item: Item) -> bool:
        """Let an item wait; return whether anybody still wants more."""
        with self._changed:
            if self._drop and len(self._waiting) == self._size:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.wait_for(lambda: len(self._waiting) < self._size or self._over)
            if not self._over:
                self._waiting.append(item)
            self._changed.notify_all()
            return not self._over
