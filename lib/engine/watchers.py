"""The recorders of a run, in one hand."""

from __future__ import annotations

from dataclasses import dataclass

from lib.engine.filmstrip import FilmStrip
from lib.engine.flight import FlightRecorder
from lib.engine.records import RunRecords
from lib.engine.tracing import StepTracer


@dataclass(frozen=True)
class Watchers:
    """What looks on while a run goes.

    Attributes:
        records: of losses and scores.
        flight: recorder of every step, or None.
        tracer: of some steps, or None.
        strip: painter of test images after evaluations, or None.
    """

    records: RunRecords
    flight: FlightRecorder | None = None
    tracer: StepTracer | None = None
    strip: FilmStrip | None = None
