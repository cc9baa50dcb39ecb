"""Where two runs part, and why: their flights, configurations and machines compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lib.config.legacy import flatten
from lib.config.origin import differences
from lib.engine.flight import STEPS, Flight, read_flight
from lib.utils.errors import DataError

Name = Callable[[int], str]
_SHOWN = 3
# Keys that decide nothing about the numbers of a run.
_IDLE = (
    "OUTPUT_DIR",
    "LOG_DIR",
    "PRINT_FREQ",
    "FLIGHT",
    "PROFILE",
    "AUTO_RESUME",
    "TRAIN.RESUME",
    "WORKERS",
    "LOGGERS",
)
_IDLE_PREFIXES = (
    "TRACKING.",
    "TEST.",
    "TRAIN.KEEP_LAST",
    "TRAIN.CHECKPOINT",
    "TRAIN.FORMAT",
    "TRAIN.WORST",
    "DIST_",
    "PIN_",
)


_PLACES = tuple(
    f"DATASET.{name}" for name in ("ROOT", "ANNOTATION", "ANNOTATION_TEST", "IMAGES", "IMAGES_TEST")
)
_OF_DATA = ("sample order", "augmentation", "pixels")  # causes that lie in what was read


@dataclass(frozen=True)
class Divergence:
    """The first difference of two runs.

    Attributes:
        step: optimiser step; 0 is the start.
        cause: ``weights at the start``, ``sample order``, ``augmentation``, ``pixels``, ``loss``,
            ``gradient``, ``learning rate`` or ``weights``.
        sentence: what differs there.
        reasons: what may have made it: configuration keys, facts about the machines, advice.
    """

    step: int
    cause: str
    sentence: str
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the lines for a terminal."""
        place = f"step {self.step}" if self.step else "the start"
        head = f"first difference at {place}: {self.cause}; {self.sentence}"
        return "\n".join([head, *(f"  {reason}" for reason in self.reasons)])


def compare_runs(first: Path, second: Path, name: Name | None = None) -> Divergence | None:
    """Return where two runs part, None if they never do in the steps that both did.

    Args:
        first: run folder.
        second: run folder.
        name: says what a sample of the first run is, by its index in the training set.

    Raises:
        DataError: a folder has no flight, or they share no step.
    """
    flights = _read(first), _read(second)
    name = name or (lambda index: f"number {index} of the training set")
    places = [{int(row["step"]): place for place, row in enumerate(f.steps)} for f in flights]
    common = sorted(set(places[0]) & set(places[1]))
    if not common:
        raise DataError(f"{first} and {second} have recorded no step in common.")
    for step in common:
        found = _compare_step(flights, (places[0][step], places[1][step]), name)
        if found is not None:
            reasons = _reasons(found[0], flights, step, first, second)
            return Divergence(step, found[0], found[1], tuple(reasons))
    return None


def steps_done(*folders: Path) -> list[int]:
    """Return the last step that each run recorded.

    Raises:
        DataError: a folder has no flight.
    """
    return [int(_read(folder).steps["step"].max(initial=0)) for folder in folders]


def config_differences(
    first: Path, second: Path, *, scores: bool = False
) -> dict[str, tuple[Any, Any]]:
    """Return the keys of two resolved YAML files that differ and decide numbers, with values.

    Args:
        first: file of a run.
        second: file of the other.
        scores: count what decides scores, too: rates may follow them (``TRAIN.SCHEDULER plateau``).

    Raises:
        DataError: a file cannot be read.
    """
    trees = [flatten(_load(path)) for path in (first, second)]
    idle = tuple(one for one in _IDLE_PREFIXES if not (scores and one == "TEST."))
    return {
        key: values
        for key, values in differences(*trees).items()
        if key not in _IDLE and not key.startswith(idle)
    }


def _compare_step(
    flights: tuple[Flight, Flight], places: tuple[int, int], name: Name
) -> tuple[str, str] | None:
    """Return cause and sentence of the difference of one step, in the order of its events."""
    a, b = (flight.steps[place] for flight, place in zip(flights, places, strict=True))
    if not a["step"]:
        if a["weights"] == b["weights"]:
            return None
        starts = flights[0].facts(0, "start"), flights[1].facts(0, "start")
        return "weights at the start", f"the networks began with other weights{_where(*starts)}"
    one, two = (flight.samples[place] for flight, place in zip(flights, places, strict=True))
    if found := _compare_samples(one, two, a["epoch"] != b["epoch"], name):
        return found
    if a["loss"].tobytes() != b["loss"].tobytes():
        return "loss", f"same batch, but the loss is {a['loss']:.9g} and {b['loss']:.9g}"
    if a["norm"].tobytes() != b["norm"].tobytes():
        return "gradient", f"same loss, but its norm is {a['norm']:.9g} and {b['norm']:.9g}"
    if a["rates"] != b["rates"]:
        return "learning rate", f"same gradient, at rates {a['rate']:.9g} and {b['rate']:.9g}"
    if a["weights"] and b["weights"] and a["weights"] != b["weights"]:
        return "weights", "all that was recorded is equal, but the weights after it are not"
    return None


def _where(one: dict[str, Any], two: dict[str, Any]) -> str:
    """Return which tensors differ, as far as both runs tell."""
    names = [*one, *(name for name in two if name not in one)]
    differ = [name for name in names if one.get(name) != two.get(name)]
    if not (one and two and differ):
        return ""
    more = ", ..." if len(differ) > _SHOWN else ""
    return f", in {len(differ)} of {len(names)} tensors: {', '.join(differ[:_SHOWN])}{more}"


def _compare_samples(
    one: np.ndarray, two: np.ndarray, other_epoch: bool, name: Name
) -> tuple[str, str] | None:
    if len(one) != len(two):
        return "sample order", f"the batches have {len(one)} and {len(two)} samples"
    if other_epoch or (one["index"] != two["index"]).any():
        place = int(np.argmax(one["index"] != two["index"]))
        samples = f"{name(int(one['index'][place]))}, and index {two['index'][place]}"
        return "sample order", f"sample {place + 1} of the batch is {samples}"
    for field, cause, words in (
        ("view", "augmentation", "same samples, drawn or annotated otherwise"),
        ("pixels", "pixels", "same samples and views, but other pixels"),
    ):
        differ = np.flatnonzero(one[field] != two[field])
        if len(differ):
            named = ", ".join(name(int(i)) for i in one["index"][differ[:_SHOWN]])
            more = ", ..." if len(differ) > _SHOWN else ""
            return cause, f"{words}, in {len(differ)} of {len(one)}: {named}{more}"
    return None


def _reasons(
    cause: str, flights: tuple[Flight, Flight], step: int, first: Path, second: Path
) -> list[str]:
    files = first / "config.yaml", second / "config.yaml"
    keys = config_differences(*files, scores=cause == "learning rate")
    # Where files lie matters only to what is read from them, and need not be why that differs.
    places = {key: keys.pop(key) for key in [*keys] if key in _PLACES}
    reasons = [f"configuration: {key} is {a!r} and {b!r}" for key, (a, b) in keys.items()]
    for kind, word in (("files", "read"), ("facts", "machine")):
        a, b = (flight.facts(step, kind) for flight in flights)
        # What only one run tells is from another version of the recorder: that is no reason.
        changed = {key: (a[key], b[key]) for key in a if key in b and a[key] != b[key]}
        reasons += [f"{word}: {key} is {x} and {y}" for key, (x, y) in changed.items()]
    reasons = reasons or [_ADVICE.get(cause, "configuration and machine are the same")]
    if cause in _OF_DATA:
        reasons += [f"places: {key} is {a!r} and {b!r}" for key, (a, b) in places.items()]
    return reasons


_ADVICE = {
    "weights at the start": "configuration and machine are the same: the weights file is not, or "
    "somebody draws random numbers before the network is built",
    "sample order": "configuration and machine are the same: the training sets differ in size",
    "augmentation": "configuration and machine are the same: the annotation file has changed, or "
    "the code that augments",
    "pixels": "configuration and machine are the same: these image files have changed, or, where "
    "all of a batch differ, their decoder has",
    "loss": "configuration and machine are the same: kernels that do not repeat their bits; "
    "DETERMINISTIC true avoids them",
    "gradient": "configuration and machine are the same: kernels that do not repeat their bits; "
    "DETERMINISTIC true avoids them",
    "weights": "configuration and machine are the same: kernels that do not repeat their bits "
    "(DETERMINISTIC true avoids them), or the optimiser has changed",
}


def _read(folder: Path) -> Flight:
    try:
        return read_flight(folder)
    except OSError as error:
        raise DataError(
            f"{folder} has no {STEPS} that can be read ({error.strerror}): give the folder of a "
            "run that was trained with FLIGHT > 0."
        ) from None


def _load(path: Path) -> dict[str, Any]:
    """Return the content of a configuration file; nothing if there is none.

    Raises:
        DataError: it is damaged.
    """
    if not path.is_file():
        return {}
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(tree, dict):
        raise DataError(f"{path} is damaged: it holds no keys.")
    return tree
