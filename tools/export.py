"""Write a model as a file for another runtime: ``python tools/export.py --cfg FILE``.

The file takes normalised images (B, 3, H, W) and gives what the network gives: heatmaps, or the two
axes of SimCC; with --joints it gives joints (B, K, 2) in pixels of its input, and their scores,
mirrored crops averaged if TEST.FLIP_TEST says so. Files of Keypoint R-CNN take one image and give
boxes, scores, and maps (or joints) of people. What a file must be fed, and how its output is read,
stands in the model card inside it, with the configuration. It is kept only if it computes what the
network computes. ``tools/test.py`` takes it as ``TEST.MODEL_FILE``, ``tools/predict.py SOURCE
--model FILE`` needs no YAML beside it.

--int8 N writes a second ONNX file that computes in int8, calibrated on N images of the training
set, and tests both: scores, sizes and times are printed, and the file is not kept if the score
falls by more than --max-loss.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yacs.config import CfgNode

from lib.config.cli import config_parser, find_weights, parse_config, run_folders
from lib.utils.cli import count, run_tool
from lib.utils.errors import ConfigError
from lib.utils.logging import setup_logging

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from lib.api import PoseEstimator
    from lib.export.graph import Graph

logger = logging.getLogger(__name__)
ENDINGS = {"onnx": ".onnx", "torchscript": ".torchscript.pt", "program": ".pt2"}
EXPORTERS = ("recording", "program")  # to ONNX, in the order in which they are tried


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Write the files asked for; return the largest difference of each."""
    cfg, args = parse_config(build_parser(), argv)

    from lib.api import PoseEstimator
    from lib.engine.device import setup_device
    from lib.export import is_exported
    from lib.export.writer import TOLERANCE, export_onnx, export_program, export_torchscript

    setup_logging()
    folder, _ = run_folders(cfg, args.cfg)
    weights = None if args.untrained else find_weights(cfg, folder)
    if weights is not None and is_exported(weights):
        raise ConfigError(f"{weights} is an exported file already; name a checkpoint.")
    if cfg.REQUIRE_GPU:  # traced and compared on the CPU, but asked for is asked for
        setup_device(cfg)
    estimator = PoseEstimator.from_config(cfg, weights, device="cpu")
    graph = estimator.task.graph(estimator.network, decode=args.joints)
    card = export_card(cfg, estimator, weights, graph)
    base = args.out or str(folder / "model")
    tolerance = TOLERANCE if args.tolerance is None else args.tolerance
    exporters = EXPORTERS if args.exporter is None else (args.exporter,)
    writers = {
        "onnx": partial(export_onnx, exporters=exporters),
        "torchscript": export_torchscript,
        "program": export_program,
    }
    if args.int8 and "onnx" not in args.format:
        raise ConfigError("--int8 is made of the ONNX file: add onnx to --format.")
    differences = {}
    for name in args.format:
        path = Path(base.removesuffix(ENDINGS[name]) + ENDINGS[name])
        differences[name] = writers[name](graph, path, card, tolerance)
        size = path.stat().st_size / 2**20
        print(f"{path}: {size:.1f} MB, largest difference {differences[name]:.1e} of the spread")
    if args.int8:
        print(quantise(cfg, Path(base.removesuffix(".onnx") + ".onnx"), card, args))
    return differences


def build_parser() -> ArgumentParser:
    """Return what reads the command line."""
    parser = config_parser("Write a model as a file that needs none of this code.")
    add = parser.add_argument
    add("--format", nargs="+", choices=ENDINGS, default=["onnx"], help="default: onnx")
    add("--out", metavar="FILE", help="the file without its ending; default: model in the run")
    add("--exporter", choices=EXPORTERS, help="torch's old or new way to ONNX; default: what works")
    add("--joints", action="store_true", help="the file gives joints and scores, not maps")
    add("--tolerance", type=float, help="largest difference, share of spread")
    add("--int8", type=count, metavar="N", help="also in int8, calibrated on N training images")
    add("--max-loss", type=float, default=0.01, help="of the test score by int8 (0.01)")
    add("--accept-loss", action="store_true", help="keep the int8 file whatever it loses")
    add("--untrained", action="store_true", help="export the initialisation instead of weights")
    # The file is made of the plain network, and compared with it.
    parser.set_defaults(keys=["TEST.FOLD_BN=false", "TEST.COMPILE=false"])
    return parser


def quantise(cfg: CfgNode, source: Path, card: dict[str, Any], args: Namespace) -> str:
    """Write the int8 file beside ``source``; return what it costs and gains."""
    from lib.benchmark.int8 import write_int8

    target = source.with_suffix(".int8.onnx")
    bound, accept = args.max_loss, args.accept_loss
    found = write_int8(cfg, source, target, card, images=args.int8, bound=bound, accept=accept)
    return f"{target}: {found}"


def export_card(
    cfg: CfgNode, estimator: PoseEstimator, weights: Path | None, graph: Graph
) -> dict[str, Any]:
    """Return what the file says about itself."""
    from lib.tasks.card import build_card

    return {
        **build_card(cfg, estimator.task),
        "name": cfg.MODEL.NAME,
        "weights": str(weights.name if weights else "untrained"),
        "input_size": list(graph.sizes[0]),
        **graph.card,
    }


if __name__ == "__main__":
    run_tool(main)
