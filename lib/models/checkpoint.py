"""Weights of ours and of every published layout -> a network, with an account of every tensor."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lib.models.joints import same_head, transfer_joints
from lib.models.layers.position import resize_bias
from lib.models.registry import RECIPES, KeyMap, StateDict
from lib.models.weights_file import Payload, read_checkpoint, strip_wrappers, unwrap
from lib.utils.errors import WeightsError
from lib.zoo import resolve_weights

logger = logging.getLogger(__name__)

ENOUGH = 0.95  # of the parameters; a file that fills less belongs to another model
DERIVED = ("num_batches_tracked", "relative_position_index")  # no harm if absent or different
SAME_HEAD = "same_head"
NAMED_AT_START = 24  # of each kind: enough for a new head and for modules of ours
FROM_SCRATCH = "put it there, or train from scratch with MODEL.PRETRAINED ''"
BIAS_TABLE = "relative_position_bias_table"
# Names that give a classifier of images away; and what it does with the maps of its trunk: the last
# norm of an encoder was trained for that, too, and is left out as published.
CLASSIFIERS = {"fc.weight", "classifier.weight", "head.fc.weight", "head.weight", "cls_token"}
OF_CLASSIFIERS = re.compile(
    r"(^|\.)(fc|classifier|(incre|downsamp)_modules|final_layer|norm)\.|stage4\.\d+\.fuse_layers\."
)
# Names that give a file away as another model's -> what to do about it.
HINTS = {
    "davit.": "The file holds a DaViT branch: add MODEL.NAME pose_higher_hrnet_davit.",
}


@dataclass
class LoadReport:
    """What became of every tensor; names are ours.

    Attributes:
        loaded: filled from the file.
        missing: in the network, not in the file.
        unexpected: in the file, not in the network.
        mismatched: in both, with different shapes; not filled.
        skipped: in the file, left out on request (``MODEL.EXTRA.PRETRAINED_LAYERS``), or what only
            a classifier needs.
        filled: share of the network's parameters (counted as tensors) that were filled, 0 to 1.
        card: what the file says about itself (`lib.zoo.card`), {} if nothing.
    """

    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    filled: float = 0.0
    card: dict[str, Any] = field(default_factory=dict)

    def set_aside(self, pattern: re.Pattern[str]) -> None:
        """Count those unexpected names that have the pattern in them as skipped."""
        beside = [name for name in self.unexpected if pattern.search(name)]
        self.skipped += beside
        self.unexpected = [name for name in self.unexpected if name not in set(beside)]

    @property
    def used(self) -> float:
        """Share of the file's tensors, those left out on request apart, that were loaded."""
        offered = len(self.loaded) + len(self.unexpected) + len(self.mismatched)
        return len(self.loaded) / max(1, offered)

    def __str__(self) -> str:
        return self.line()

    def line(self, limit: int = 4) -> str:
        """Return one line: counts, and up to ``limit`` names of each kind that did not fit."""
        parts = [f"{len(self.loaded)} tensors loaded ({self.filled:.0%} of the parameters)"]
        for kind in ("missing", "unexpected", "mismatched", "skipped"):
            names = getattr(self, kind)
            if names:
                parts.append(f"{len(names)} {kind} ({some(names, limit)})")
        return ", ".join(parts)


def load_weights(
    model: nn.Module, path_or_dict: str | Path | dict[str, Any], strict: bool = True
) -> LoadReport:
    """Fill ``model`` from a file (or what ``torch.load`` returned) in our or an official layout.

    Args:
        model: a network of ``build_model``; its ``key_map`` says how official names map.
        path_or_dict: what ``resolve_weights`` takes, or a state dict.
        strict: for testing, everything must fit; else (fine-tuning) load what fits, warn by name.

    Returns:
        The account of every tensor.

    Raises:
        WeightsError: the file cannot be read; or ``strict`` and it is another model's, has another
            number of joints, or lacks or adds tensors.
    """
    where = "the weights" if isinstance(path_or_dict, dict) else str(path_or_dict)
    state, content = _read(path_or_dict)
    translated = _translate(model, state)
    report = _fill(model, translated, ())
    report.card = content.get("meta") or {}
    problem = _problem(report, model, translated, state)
    if problem and strict:
        raise WeightsError(f"{where}: {problem}")
    if problem:
        logger.warning("%s: %s", where, problem)
    for advice in _advice(model, state):
        logger.warning("%s: %s", where, advice)
    return report


def load_pretrained(
    model: nn.Module,
    path_or_dict: str | Path | dict[str, Any],
    layers: Sequence[str] = ("*",),
    joints: Sequence[str] = (),
) -> LoadReport:
    """Start training from weights of a relative (``MODEL.PRETRAINED``): take what fits, by layer.

    Args:
        model: a network of ``build_model``.
        path_or_dict: what ``resolve_weights`` takes, or a state dict.
        layers: first components of the names to take (``conv1``, ``stage2``, or our
            ``backbone``); ``*``, or none, takes all; ``same_head`` the head, if the file has one
            of the same kind (a weights file of poses has, a classifier's has not).
        joints: names of the network's joints. If the file has others, what predicts joints of the
            same names is kept, and the rest of the head starts as the network was built.

    Returns:
        The account of every tensor; it has been logged.

    Raises:
        WeightsError: the file is missing or cannot be read, nothing in it fits, or a smaller share
            than the ``least_used`` of the family's key map, if it has one.
    """
    if not isinstance(path_or_dict, dict):
        path_or_dict = resolve_weights(path_or_dict, FROM_SCRATCH)
    where = "the weights" if isinstance(path_or_dict, dict) else str(path_or_dict)
    chosen = () if "*" in layers else tuple(layers)
    state, content = _read(path_or_dict)
    translated = _translate(model, state)
    transfer = transfer_joints(model, translated, joints, content) if joints else None
    if SAME_HEAD in chosen and same_head(model, translated):
        chosen = (*chosen, "head")
    moved = transfer.tensors if transfer else {}
    report = _fill(model, {**translated, **moved}, chosen)
    if not CLASSIFIERS.isdisjoint(state):
        report.set_aside(OF_CLASSIFIERS)
    if not report.loaded:
        raise WeightsError(f"{where}: nothing in it fits this model: {report}.")
    least = getattr(_key_map(model), "least_used", 0.0)
    if report.used < least:
        raise WeightsError(
            f"{where}: only {report.used:.0%} of its tensors fit this model, at least {least:.0%} "
            f"should: {report}."
        )
    logger.info("%s: %s", where, report.line(NAMED_AT_START))
    for advice in _of_broken_numbers(state):
        logger.warning("%s: %s", where, advice)
    if transfer and not (moved and set(moved) <= set(report.skipped)):
        logger.warning("%s: %s", where, transfer)
    if report.mismatched:
        logger.warning("%s: other shapes, not loaded: %s", where, ", ".join(report.mismatched))
    return report


def to_official(source: nn.Module | StateDict, name: str | None = None) -> StateDict:
    """Return weights under the names of the official project.

    Args:
        source: a network of ``build_model``, or its state dict.
        name: the ``MODEL.NAME`` that a state dict belongs to; a network knows it.

    Raises:
        ValueError: a state dict came without a name.
    """
    if isinstance(source, nn.Module):
        return _key_map(source).to_official(strip_wrappers(source.state_dict()))
    if name is None:
        raise ValueError("to_official needs the MODEL.NAME that a state dict belongs to")
    return RECIPES[name].key_map.to_official(strip_wrappers(source))


def some(names: Sequence[str], limit: int = 4) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _read(path_or_dict: str | Path | dict[str, Any]) -> tuple[StateDict, Payload]:
    if isinstance(path_or_dict, dict):
        return unwrap(path_or_dict)
    return read_checkpoint(path_or_dict)


def _key_map(model: nn.Module) -> KeyMap:
    return getattr(model, "key_map")  # noqa: B009 - set by build_model, unknown to nn.Module


def _translate(model: nn.Module, state: StateDict) -> StateDict:
    """Return ``state`` under our names, read in whichever layout fits the most tensors.

    A key map with a method ``complete(state, own)`` adds what the file stands for without holding.
    """
    own = model.state_dict()
    key_map = _key_map(model)
    readings = (state, key_map.from_official(state), key_map.from_official(_bare(state)))
    best = max(readings, key=lambda reading: sum(_fits(own, item) for item in reading.items()))
    complete = getattr(key_map, "complete", None)
    return best if complete is None else complete(best, own)


def _bare(state: StateDict) -> StateDict:
    """Undo the composition prefixes of other frameworks: ``backbone.``, ``keypoint_head.``."""
    bare: StateDict = {}
    for key, value in state.items():
        name = key.removeprefix("backbone.")
        for head in ("keypoint_head.", "head."):
            name = name.removeprefix(head)
        bare[name] = value
    return bare


def _fits(own: StateDict, item: tuple[str, Tensor]) -> bool:
    name, value = item
    return name in own and own[name].shape == value.shape


def _fill(model: nn.Module, state: StateDict, layers: tuple[str, ...]) -> LoadReport:
    """Copy what fits into ``model`` and account for all names of both sides."""
    own = model.state_dict()
    report = LoadReport()
    fitting: StateDict = {}
    for name, value in state.items():
        tensor = _resized(value, own[name]) if name.endswith(BIAS_TABLE) and name in own else value
        if layers and not _chosen(name, layers):
            report.skipped.append(name)
        elif name not in own:
            report.unexpected += [] if name.endswith(DERIVED) else [name]
        elif tensor.shape == own[name].shape:
            fitting[name] = tensor
        elif not name.endswith(DERIVED):
            report.mismatched.append(name)
    model.load_state_dict(fitting, strict=False)
    report.loaded = list(fitting)
    known = {*fitting, *report.mismatched}
    report.missing = [n for n in own if n not in known and not n.endswith(DERIVED)]
    parameters = [name for name, _ in model.named_parameters()]
    report.filled = sum(name in fitting for name in parameters) / max(1, len(parameters))
    return report


def _chosen(name: str, layers: Iterable[str]) -> bool:
    """Say whether our or the official name's first component is among ``layers``."""
    part, _, rest = name.partition(".")
    return part in layers or rest.partition(".")[0] in layers


def _resized(value: Tensor, like: Tensor) -> Tensor:
    """Return a bias table ((2w - 1)^2, heads) resampled to the window of ``like``."""
    new = math.isqrt(len(like))
    if value.shape == like.shape or value.shape[1:] != like.shape[1:] or new**2 != len(like):
        return value
    return resize_bias(value, (new, new))


def _problem(
    report: LoadReport, model: nn.Module, translated: StateDict, state: StateDict
) -> str | None:
    """Return a sentence on what does not fit, None if all does."""
    if not (report.missing or report.unexpected or report.mismatched):
        return None
    hints = [text for start, text in HINTS.items() if any(k.startswith(start) for k in state)]
    shapes = ""
    if report.mismatched:
        name = report.mismatched[0]
        here, there = tuple(model.state_dict()[name].shape), tuple(translated[name].shape)
        shapes = f"; {name} is {there} in the file and {here} in the model"
    if report.filled < ENOUGH:
        text = "these are the weights of another model"
    elif report.mismatched and all(name.startswith("head.") for name in report.mismatched):
        text = "the head has another number of outputs, see MODEL.NUM_JOINTS"
    else:
        text = "not all tensors fit this model"
    return " ".join([f"{text}: {report}{shapes}.", *hints])


def _advice(model: nn.Module, state: StateDict) -> list[str]:
    """Return what is to be said of this file: by the family's ``KeyMap``, and of broken numbers."""
    advise = getattr(_key_map(model), "advise", None)
    said = advise(model, state) if advise is not None else []
    return [*said, *_of_broken_numbers(state)]


def _of_broken_numbers(state: StateDict) -> list[str]:
    broken = [
        name
        for name, value in state.items()
        if value.is_floating_point() and not value.is_meta and not value.isfinite().all()
    ]
    if not broken:
        return []
    return [
        f"{len(broken)} tensors hold values that are not finite, {broken[0]} for one: the training "
        "that wrote them diverged, and what the network answers means nothing"
    ]
