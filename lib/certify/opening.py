"""A tested run, or a claim, -> what predicts its images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.certify.predicting import SplitPredictor
from lib.config import load_config
from lib.config.cli import UNTRAINED
from lib.config.loader import load_config_text
from lib.tasks.build import build_task
from lib.utils.errors import ConfigError, DataError, WeightsError
from lib.utils.files import read_json

_TOLD = ("boxes", "codec", "flip")  # what a report says about how a test was done


def open_run(run: Path, settings: Sequence[str] = (), device: str = "cpu") -> SplitPredictor:
    """Return what predicts the images of a tested run.

    Args:
        run: its folder, with config.yaml, metrics.json and results/.
        settings: keys that its test was given on the command line.
        device: where to compute.

    Raises:
        DataError: the run was not tested.
        ConfigError: its test was another one than config.yaml says.
        WeightsError: its weights are not there.
    """
    report = read_json(run / "metrics.json", "report", "test the run with tools/test.py")
    if not isinstance(report, dict) or not isinstance(report.get("metrics"), dict):
        raise DataError(f"{run / 'metrics.json'} is not a report of tools/test.py.")
    if not report["metrics"]:
        raise DataError(f"{run} was tested without ground truth: it has no scores to certify.")
    if report.get("weights") == UNTRAINED:
        raise ConfigError(f"{run} is a test of the initialisation: there are no weights to hash.")
    cfg = load_config(run / "config.yaml", settings)
    check_settings(run, cfg, report)
    weights = find_file(str(report.get("weights")), (run, run.parent))
    return SplitPredictor(cfg, weights, device)


def open_claim(
    claim: dict[str, Any],
    path: Path,
    *,
    weights: Path | None = None,
    settings: Sequence[str] = (),
    device: str = "cpu",
) -> SplitPredictor:
    """Return what predicts the images of a claim.

    Args:
        claim: its content.
        path: its file; the weights may lie beside it.
        weights: the weights, if they lie elsewhere than at the claimant's.
        settings: keys of files that lie elsewhere.
        device: where to compute.

    Raises:
        WeightsError: the weights are not there.
        ConfigError: a key is wrong.
    """
    cfg = load_config_text(claim["config"], f"the claim {path}", settings)
    found = weights or find_file(claim["weights"]["file"], (path.parent,))
    return SplitPredictor(cfg, found, device)


def check_settings(run: Path, cfg: CfgNode, report: dict[str, Any]) -> None:
    """Refuse a configuration that a test did not use, as far as its report tells.

    Raises:
        ConfigError: with what differs.
    """
    used = build_task(cfg).describe()
    for key in _TOLD:
        if key in report and report[key] != used.get(key):
            raise ConfigError(
                f"{run} was tested with {key} {report[key]}, but its config.yaml says "
                f"{used.get(key)}: give what its test was given, as --set KEY=VALUE."
            )


def find_file(name: str, folders: Sequence[Path]) -> Path:
    """Return a weight file, as named or in one of the folders.

    Raises:
        WeightsError: it is nowhere.
    """
    for place in (Path(name), *(folder / Path(name).name for folder in folders)):
        if place.is_file():
            return place
    raise WeightsError(
        f"No weight file {name}, nor {Path(name).name} in {folders[0]}: put it there, or name it "
        "with --weights."
    )
