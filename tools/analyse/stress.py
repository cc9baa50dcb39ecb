"""Show where models break: ``python tools/analyse/stress.py MODEL [MODEL] --out page.html``.

MODEL is a name of the zoo, a weight or ONNX file with a model card, a run folder, or a YAML whose
TEST.MODEL_FILE (or run) has the weights; with ``--cfg FILE`` any weight or ONNX file that the YAML
describes. One thing at a time changes on the people of ``--gt`` (with ``--images``), or on newly
drawn ones of the embedded data set: what covers them, their size, blur, noise, the box, and more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.utils.cli import count, run_tool, write_file
from lib.utils.errors import ConfigError
from lib.utils.numbers import number

if TYPE_CHECKING:
    from lib.annotations.form import Annotations
    from lib.api import PoseEstimator
    from lib.stress.curves import Curve, Predict
    from lib.stress.demand import Demand
    from lib.stress.factors import Factor
    from lib.stress.view import View
    from lib.structures.skeleton import Skeleton


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description="Response curves: where does a model break?")
    add = parser.add_argument
    add("models", nargs="*", metavar="MODEL", help="zoo name, weights, .onnx, run folder, YAML")
    add("--model", action="append", default=[], metavar="MODEL", help="the same")
    add("--cfg", metavar="FILE", help="YAML of weights that do not say which network they are")
    add("--gt", metavar="FILE", help="annotation file with outlines; default: drawn people")
    add("--images", metavar="DIR", help="its pictures")
    add("--synthetic", type=count, default=60, metavar="N", help="drawn pictures (default: 60)")
    add("--limit", type=count, default=0, metavar="N", help="most people (default: all)")
    add("--factors", default="", metavar="F,F", help="default: all")
    add("--require", action="append", default=[], metavar="TEXT", help="exit 1 unless it holds")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    add("--seed", type=int, default=0, help="of pictures and changes (default: 0)")
    add("--resamples", type=count, default=300, help="draws of the intervals (default: 300)")
    add("--json", metavar="FILE", help="write all numbers")
    add("--out", metavar="FILE", help="write an HTML page")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict[str, list[Curve]]:
    """Measure, print, write what was asked for; exit code 1 if a demand does not hold.

    Raises:
        ConfigError: no model is named, or a factor or demand is not known.
        DataError: the data set cannot be read, or has nobody to look at.
    """
    args = parse_args(argv)
    from lib.stress.demand import read_demand

    demands = [read_demand(text) for text in args.require]
    factors = choose_factors(args.factors, demands)
    models = open_models(args)
    views, skeleton = collect_views(args)
    chosen = {name: choose(model, skeleton, args) for name, model in models.items()}
    factors, left_out = usable_factors(factors, models, views)
    curves = {name: measure(*chosen[name], views, factors, args) for name in models}
    for name, own in curves.items():
        print(as_text(name, own))
    if args.json:
        content = {name: [asdict(curve) for curve in own] for name, own in curves.items()}
        write_file(args.json, json.dumps(plain(content), indent=1, allow_nan=False) + "\n")
    if args.out:
        from lib.report.stress import stress_page

        pictures = len({view.group for view in views})
        facts = {"people": str(len(views)), "pictures": str(pictures), "seed": str(args.seed)}
        write_file(args.out, stress_page(curves, {"data": args.gt or "drawn", **facts}, left_out))
    failed = [f for name, own in curves.items() for f in failures(name, own, demands)]
    if failed:
        print("\n".join(failed))
        sys.exit(1)
    return curves


def choose_factors(words: str, demands: list[Demand]) -> dict[str, Factor]:
    """Return the factors to measure by name, with the levels that demands speak of."""
    from lib.stress.factors import FACTORS

    names = [word.strip() for word in words.split(",") if word.strip()]
    names = names or ([] if demands else list(FACTORS))
    factors = {name: FACTORS[name] for name in (*names, *(d.factor for d in demands))}
    for demand in demands:
        factors[demand.factor] = demand.with_level(factors[demand.factor])
    return factors


def open_models(args: argparse.Namespace) -> dict[str, PoseEstimator]:
    """Return the models by the names that they have on the page.

    Raises:
        ConfigError: none is named, or more than two.
    """
    words = [*args.models, *args.model] or ([args.cfg] if args.cfg else [])
    if not 1 <= len(words) <= 2:
        raise ConfigError(f"Give one or two models (a MODEL or --cfg FILE), got {len(words)}.")
    from lib.api import PoseEstimator
    from lib.config import load_config
    from lib.config.cli import find_weights, run_folders
    from lib.config.pretrained import find_model

    models = {}
    for word in words:
        if Path(word).suffix in (".yaml", ".yml"):
            cfg = load_config(word, args.set)
            weights = find_weights(cfg, run_folders(cfg, word)[0])
        elif args.cfg:
            cfg, weights = load_config(args.cfg, args.set), word
        else:
            cfg, weights = find_model(word, args.set)
        name = Path(word).name
        models[name if name not in models else f"{name} (2)"] = PoseEstimator.from_config(
            cfg, weights
        )
    return models


def collect_views(args: argparse.Namespace) -> tuple[list[View], Skeleton]:
    """Return the people to look at, and their joints.

    Raises:
        DataError: the data set cannot be read, or has nobody.
    """
    from lib.stress.views import read_views
    from lib.utils.errors import DataError

    if bool(args.gt) != bool(args.images):
        raise ConfigError("--gt and --images go together: an annotation file and its pictures.")
    with tempfile.TemporaryDirectory() as folder:
        annotations = read_people(args, folder)
        views = list(read_views(annotations, args.limit))
    if not views:
        raise DataError(f"{annotations.path} has nobody with five labelled joints to look at.")
    return views, annotations.skeleton


def read_people(args: argparse.Namespace, folder: str) -> Annotations:
    """Return the annotations of ``--gt``, or of pictures that are drawn into ``folder``."""
    from lib.annotations.reading import ReadOptions, read_annotations
    from lib.datasets.synthetic import Recipe, write_dataset

    options = ReadOptions(outlines=True, advice="check --gt")
    if args.gt:
        return read_annotations(args.gt, f"{args.images}/", None, options)
    recipe = Recipe(train=0, val=args.synthetic, seed=args.seed, formats=("coco",))
    write_dataset(folder, recipe, workers=1)
    file = Path(folder) / "coco/annotations/person_keypoints_val2017.json"
    return read_annotations(file, f"{folder}/coco/images/val2017/", None, options)


def usable_factors(
    factors: dict[str, Factor], models: dict[str, PoseEstimator], views: list[View]
) -> tuple[dict[str, Factor], list[str]]:
    """Return the factors that can be applied, and a sentence about every other one."""
    boxes = any(model.task.takes_boxes for model in models.values())
    outlines = any(view.outline for view in views)
    kept, left_out = {}, []
    for name, factor in factors.items():
        if factor.needs_boxes and not boxes:
            left_out.append(f"{name}: left out, for the model finds people itself.")
        elif factor.needs_outlines and not outlines:
            left_out.append(f"{name}: left out, for the data has no outlines to cut people out by.")
        else:
            kept[name] = factor
    print("\n".join(left_out), end="\n" * bool(left_out))
    return kept, left_out


def choose(
    model: PoseEstimator, skeleton: Skeleton, args: argparse.Namespace
) -> tuple[Predict, Skeleton]:
    """Return a model that gives the joints of the data, and these.

    Raises:
        DataError: it does not predict them all.
    """
    from lib.stress.views import choose_joints

    def predict(images: Any, boxes: Any) -> Any:
        return model.predict_batch(images, boxes if model.task.takes_boxes else None)

    same = skeleton.joints == model.skeleton.joints  # then sigmas and mirror pairs are the model's
    data = args.gt or "the embedded data set"
    own = choose_joints(predict, skeleton, model.skeleton, data)
    return own, model.skeleton if same else skeleton


def measure(
    predict: Predict,
    skeleton: Skeleton,
    views: list[View],
    factors: dict[str, Factor],
    args: argparse.Namespace,
) -> list[Curve]:
    """Return the curves of one model."""
    from lib.stress.curves import response_curve

    options = {"seed": args.seed, "resamples": args.resamples}
    return [
        response_curve(name, factor, views, predict, skeleton, **options)
        for name, factor in factors.items()
    ]


def as_text(name: str, curves: list[Curve]) -> str:
    """Return the curves of a model as lines of text."""
    lines = [name]
    for curve in curves:
        lines.append(f"  {curve.factor} ({curve.unit})")
        for point in curve.points:
            ap, part = point.numbers["AP"], point.of_clean
            lines.append(
                f"  {point.level:>8g}  AP {number(ap.value)} ({number(ap.low)} to "
                f"{number(ap.high)})  of clean {number(part.value)} ({number(part.low)} to "
                f"{number(part.high)})  calibration error "
                f"{number(point.numbers['calibration error'].value)}  people {point.people}"
            )
    return "\n".join(lines)


def failures(name: str, curves: list[Curve], demands: list[Demand]) -> list[str]:
    """Return a sentence about every demand that does not hold.

    Raises:
        ConfigError: the factor of a demand was left out: it is neither held nor broken.
    """
    measured = {curve.factor for curve in curves}
    sentences = []
    for demand in demands:
        if demand.factor not in measured:
            raise ConfigError(f"'{demand.text}' cannot be judged: {demand.factor} was left out.")
        holds, value = demand.judge(curves)
        if not holds:
            sentences.append(f"{name}: '{demand.text}' does not hold: it is {number(value)}.")
    return sentences


def plain(value: Any) -> Any:
    """Return nested values with None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if value != value else value


if __name__ == "__main__":
    run_tool(main)
