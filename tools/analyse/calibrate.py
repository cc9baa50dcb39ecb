"""Make scores mean what they say: ``python tools/analyse/calibrate.py GT PRED [--weights FILE]``.

Fits monotone maps of joint and person scores on one half of the images, and judges them on the
other. Joints stay where they are, and AP stays what it is. Writes the maps as JSON, into a copy of
a weight file's model card, or a result file with the mapped scores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from lib.utils.cli import run_tool, write_file
from lib.utils.errors import ConfigError
from lib.utils.numbers import number

if TYPE_CHECKING:
    from lib.evaluation.calibration import Judgement


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Make scores mean what they say.")
    add = parser.add_argument
    add("truth", metavar="GT", help="annotation file")
    add("results", metavar="PRED", help="result file of the model, on images it was not trained on")
    add("--metric", default="auto", metavar="NAME", help="default: what the data set is scored by")
    add("--seed", type=int, default=0, help="of the two halves (default: 0)")
    add("--out", metavar="FILE", help="write the maps as JSON")
    add("--apply", metavar="FILE", help="write PRED with mapped scores")
    add("--weights", metavar="FILE", help=".safetensors file to keep the maps with")
    add("--weights-out", metavar="FILE", help="the copy of it with the maps in its model card")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> Judgement:
    """Fit, judge, print, and write what was asked for.

    Raises:
        DataError: a file is missing, damaged, or does not fit the ground truth.
        ConfigError: the options do not go together.
    """
    args = parse_args(argv)
    check_outputs(args)
    from lib.evaluation.calibration import calibrated_rows, fit_calibration, halves, judge
    from lib.evaluation.coco_files import read_results
    from lib.evaluation.metrics import METRICS
    from lib.evaluation.scoring import score_file

    scored = score_file(args.truth, args.results, metric=args.metric)
    if scored.diagnosis is None:
        raise ConfigError("MPII's predictions have no scores of people: they are not calibrated.")
    first, second = halves(scored.diagnosis.images, args.seed)
    joints = scored.skeleton.joints
    fitted = fit_calibration(first, len(joints))
    judgement = judge(fitted, second)
    print(
        f"fitted on {len(first)} images, judged on {len(second)}; calibration error before, after"
    )
    rows = {"joints": judgement.joint, "people": judgement.person}
    for name, errors in (rows | dict(zip(joints, judgement.joints, strict=True))).items():
        print(f"{name:>20}  {number(errors[0], 4)}  {number(errors[1], 4)}")
    content = fitted.as_dict()
    if args.out:
        write_file(args.out, json.dumps(content) + "\n")
    if args.apply:
        join = METRICS[scored.metric].join_rows
        results = read_results(args.results)
        mapped = calibrated_rows(fitted, join(results) if join else results)
        write_file(args.apply, json.dumps(mapped, allow_nan=False))
    if args.weights:
        keep_with_weights(Path(args.weights), Path(args.weights_out), content)
    return judgement


def check_outputs(args: argparse.Namespace) -> None:
    """Refuse options that do not go together, before any work.

    Raises:
        ConfigError: with what to give.
    """
    if bool(args.weights) != bool(args.weights_out):
        raise ConfigError("--weights and --weights-out go together: the file, and its new copy.")
    if not args.weights:
        return
    if (
        Path(args.weights).suffix != ".safetensors"
        or Path(args.weights_out).suffix != ".safetensors"
    ):
        raise ConfigError("--weights and --weights-out must be .safetensors files.")
    if Path(args.weights_out).exists():
        raise ConfigError(f"--weights-out {args.weights_out} already exists: give a new name.")


def keep_with_weights(weights: Path, target: Path, calibration: dict) -> None:
    """Write a copy of a weight file whose model card has ``calibration``, too.

    Raises:
        WeightsError: the file is damaged.
        DataError: it is not there.
    """
    from lib.utils.errors import WeightsError
    from lib.zoo.card import read_safetensors, safetensors_bytes

    if not weights.is_file():
        raise WeightsError(f"No weight file {weights}: check the path.")
    state, card = read_safetensors(weights)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.part")
    draft.write_bytes(safetensors_bytes(state, {**card, "calibration": calibration}))
    draft.replace(target)
    print(target)


if __name__ == "__main__":
    run_tool(main)
