"""Log lines on the console and in the run folder."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from tqdm import tqdm

_FORMAT = "%(asctime)s %(levelname).1s %(message)s"


class _BarFriendlyHandler(logging.Handler):
    """Writes lines above a progress bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record to standard error."""
        try:
            tqdm.write(self.format(record), file=sys.stderr)
        except Exception:  # logging must never stop a run
            self.handleError(record)


def setup_logging(folder: Path | None = None, *, rank: int = 0) -> None:
    """Send log lines of level INFO to standard error, and with ``folder`` also to ``train.log``.

    Only rank 0 writes the file; the other ranks show warnings, marked with their number. A second
    call replaces the handlers of the first.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        if getattr(handler, "efepose", False):
            root.removeHandler(handler)
            handler.close()
    mark = "" if rank == 0 else f"[rank {rank}] "
    layout = _FORMAT.replace("%(message)s", mark + "%(message)s")
    console: logging.Handler = _BarFriendlyHandler()
    console.setFormatter(logging.Formatter(layout, "%H:%M:%S"))
    handlers: list[logging.Handler] = [console]
    if folder is not None and rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(folder / "train.log", encoding="utf-8"))
        handlers[-1].setFormatter(logging.Formatter(layout, "%Y-%m-%d %H:%M:%S"))
    for handler in handlers:
        handler.setLevel(logging.INFO if rank == 0 else logging.WARNING)
        handler.efepose = True  # pyright: ignore[reportAttributeAccessIssue]
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
