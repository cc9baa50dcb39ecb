"""MLflow: in files that ``mlflow ui`` shows, or on a server."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from lib.engine.trackers.base import TRACKERS, Place, Tracker

_PARAMETERS_AT_ONCE = 100  # more are refused
_LONGEST = 500  # letters of a parameter that every store takes


@TRACKERS.register("mlflow")
class MlflowRun(Tracker):
    """One run of one experiment."""

    package: ClassVar[str] = "mlflow"

    def __init__(self, place: Place) -> None:
        # A store in files is what works offline, everywhere and without a data base; newer versions
        # want to be told that it is meant.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow import MlflowClient  # pyright: ignore[reportMissingImports]

        self._client = MlflowClient(tracking_uri=place.address or place.store.resolve().as_uri())
        self.identity = place.identity or self._begin(place)
        self._client.update_run(self.identity, status="RUNNING")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Take numbers by name."""
        from mlflow.entities import Metric  # pyright: ignore[reportMissingImports]

        now = int(1000 * time.time())
        found = [Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self.identity, metrics=found)

    def picture(self, name: str, path: Path, step: int) -> None:
        """Take a picture; its file is copied below the name."""
        del step  # stands in the name of the file
        self._client.log_artifact(self.identity, str(path), name)

    def close(self) -> None:
        """Say that nobody writes any more."""
        with contextlib.suppress(OSError):
            self._client.set_terminated(self.identity)

    def _begin(self, place: Place) -> str:
        from mlflow.entities import Param  # pyright: ignore[reportMissingImports]

        known = self._client.get_experiment_by_name(place.project)
        home = known.experiment_id if known else self._client.create_experiment(place.project)
        run = self._client.create_run(home, run_name=place.name).info.run_id
        entries = [Param(key, str(value)[:_LONGEST]) for key, value in place.config.items()]
        for start in range(0, len(entries), _PARAMETERS_AT_ONCE):
            self._client.log_batch(run, params=entries[start : start + _PARAMETERS_AT_ONCE])
        return run
