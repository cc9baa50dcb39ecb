"""The file of a claim: what was computed from what, predictions, scores and their doubts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.certify.doubts import doubt_of_annotators, doubt_of_images, doubt_of_seeds
from lib.certify.files import code_hash, named_hash, picture_hashes, versions
from lib.certify.influence import Evidence
from lib.certify.predicting import SplitPredictor
from lib.config.loader import config_text
from lib.evaluation.coco_files import Rows, read_results
from lib.evaluation.metrics import METRICS, usual_metric
from lib.utils.errors import DataError
from lib.utils.files import read_json

FORM = "efepose claim"  # key of the number of the form
DIGITS = {"score": 6}  # behind the point, of what is kept of the predictions
ALL = object()  # any key of a dictionary
NUMBER = (float, int)
FILE = {"file": str, "sha256": str}
SEEDS = {"score": str, "values": dict, "mean": NUMBER, "deviation": NUMBER, "half width": NUMBER}
SHAPE = {
    "weights": FILE,
    "config": str,
    "data": {"annotation": FILE, "boxes": (type(None), FILE), "pictures": dict},
    "code": str,
    "versions": dict,
    "metric": str,
    "scores": {ALL: (type(None), *NUMBER)},
    "doubt": {
        "images": {"low": NUMBER, "high": NUMBER, "resamples": int},
        "seeds": (type(None), SEEDS),
        "annotators": (type(None), {"AP": NUMBER, "minus first": NUMBER}),
    },
    "predictions": list,
}
ROUNDED = 0.001  # by which rounded predictions may score otherwise


def make_claim(
    predictor: SplitPredictor,
    run: Path,
    *,
    beside: Sequence[Path] = (),
    second: Path | None = None,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Return the claim of a tested run.

    Args:
        predictor: of the run's configuration and weights.
        run: its folder.
        beside: runs of the same experiment with other seeds.
        second: annotation file of the same images by somebody else.
        resamples: draws of the bootstrap over images.

    Raises:
        DataError: the run was not tested, or a file does not fit.
        ConfigError: a run beside is of another experiment.
    """
    rows = kept_rows(read_results(result_file(run)))
    metric = usual_metric(predictor.content)
    evidence = Evidence.read(metric, predictor.content, rows)
    check_report(run, evidence.numbers)
    other = None if second is None else read_json(second, "annotation")
    doubt = {
        "images": doubt_of_images(evidence, resamples),
        "seeds": doubt_of_seeds(run, beside, METRICS[metric].primary),
        "annotators": doubt_of_annotators(evidence, other, rows),
    }
    return {
        FORM: 1,
        "weights": named_hash(predictor.weights),
        "config": config_text(predictor.cfg),
        "data": {
            "annotation": named_hash(predictor.source.annotation),
            "boxes": None if predictor.boxes is None else named_hash(predictor.boxes),
            "pictures": picture_hashes(predictor),
        },
        "code": code_hash(),
        "versions": versions(),
        "metric": metric,
        "scores": {n: None if math.isnan(v) else v for n, v in evidence.numbers.items()},
        "doubt": doubt,
        "predictions": rows,
    }


def write_claim(claim: dict[str, Any], path: Path) -> None:
    """Write a claim, one line per key and per pose; a file of that name stays until it is whole."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(value)}"
        for key, value in claim.items()
        if key != "predictions"
    ]
    poses = ",\n".join(json.dumps(row, separators=(",", ":")) for row in claim["predictions"])
    text = "{\n" + ",\n".join([*lines, f'"predictions": [\n{poses}\n]']) + "\n}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def read_claim(path: str | Path) -> dict[str, Any]:
    """Return the content of a claim.

    Raises:
        DataError: the file is missing, damaged, or something else.
    """
    content = read_json(path, "claim")
    if not isinstance(content, dict) or FORM not in content or not SHAPE.keys() <= content.keys():
        raise DataError(f"'{path}' is not a claim; tools/analyse/certify.py writes one.")
    if content[FORM] != 1 or content["metric"] not in METRICS:
        raise DataError(f"'{path}' is a claim of a newer version than this one: update efepose.")
    fault = find_fault(content, SHAPE)
    if fault:
        raise DataError(f"'{path}' is a damaged claim: {fault}; write it again with certify.py.")
    return content


def find_fault(value: Any, shape: Any, place: str = "the claim") -> str:
    """Return what is wrong with a value of a claim, '' if nothing is.

    A shape is a type, a tuple of shapes of which one must fit, or a dictionary of shapes by key.
    """
    if isinstance(shape, tuple):
        faults = [find_fault(value, one, place) for one in shape]
        return "" if "" in faults else faults[0]
    if not isinstance(shape, dict):
        fits = isinstance(value, shape) and not isinstance(value, bool)
        return "" if fits else f"{place} is not what certify.py writes there"
    if not isinstance(value, dict):
        return f"{place} is not what certify.py writes there"
    for key, inner in shape.items():
        if key is not ALL and key not in value:
            return f"{place} has no '{key}'"
        for name in value if key is ALL else (key,):
            fault = find_fault(value[name], inner, f"'{name}' of {place}")
            if fault:
                return fault
    return ""


def result_file(run: Path) -> Path:
    """Return the predictions of a tested run.

    Raises:
        DataError: there are none, or those of several sets.
    """
    files = sorted((run / "results").glob("keypoints_*_results_0.json"))
    if len(files) != 1:
        raise DataError(
            f"{run} has {len(files)} result files results/keypoints_*_results_0.json, wanted one: "
            "test the run on a data set in COCO's format (tools/test.py)."
        )
    return files[0]


def check_report(run: Path, numbers: dict[str, float]) -> None:
    """Compare the scores of a run's predictions with those of its report.

    Raises:
        DataError: they are those of another test.
    """
    report = read_json(run / "metrics.json", "report", "test the run with tools/test.py")
    for name, told in report["metrics"].items():
        value = numbers.get(name)
        if value is None or told is None or math.isnan(value):
            continue
        if abs(value - told) > ROUNDED:
            raise DataError(
                f"{run}: metrics.json says {name} {told:.4f}, but the predictions in results/ "
                f"score {value:.4f}: they come from another test; run tools/test.py again."
            )


def kept_rows(rows: Rows) -> Rows:
    """Return result rows with rounded numbers."""
    return [{key: _rounded(key, value) for key, value in row.items()} for row in rows]


def _rounded(key: str, value: Any) -> Any:
    if isinstance(value, list):
        if key == "keypoints":
            return [round(v, 6 if n % 3 == 2 else 3) for n, v in enumerate(value)]
        return [_rounded("", item) for item in value]
    return round(value, DIGITS.get(key, 4)) if isinstance(value, float) else value
