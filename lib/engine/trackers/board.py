"""TensorBoard files, written when records come.

``tensorboardX.SummaryWriter`` writes in a thread, which a full disk ends; its queue would then fill
up and hold the training for ever.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lib.engine.trackers.base import TRACKERS, Place, Tracker


@TRACKERS.register("tensorboard")
class Board(Tracker):
    """An event file per process in the log folder."""

    package: ClassVar[str] = "tensorboardX"
    live: ClassVar[bool] = True

    def __init__(self, place: Place) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog  # pyright: ignore[reportAttributeAccessIssue]

        place.log_folder.mkdir(parents=True, exist_ok=True)
        self._file = EventsWriter(str(place.log_folder / "events"))
        if place.step:  # TensorBoard forgets what an earlier process wrote about the steps to come
            self._put(place.step, session_log=SessionLog(status=SessionLog.START))
        self._file.flush()

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write ``values`` by name.

        Raises:
            OSError: the disk takes no more.
        """
        from tensorboardX.summary import scalar

        for name, value in values.items():
            self._put(step, summary=scalar(name, value))
        self._file.flush()

    def picture(self, name: str, path: Path, step: int) -> None:
        """Write a picture as it is.

        Raises:
            OSError: it is gone, or the disk takes no more.
        """
        from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

        image = Summary.Image(encoded_image_string=path.read_bytes(), colorspace=3)
        self._put(step, summary=Summary(value=[Summary.Value(tag=name, image=image)]))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # said before
            self._file.close()

    def _put(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

        self._file.write_event(Event(wall_time=time.time(), step=step, **content))
