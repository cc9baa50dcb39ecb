"""``--cfg FILE [KEY VALUE ...]``: the arguments that every tool of the HRNet family takes."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from yacs.config import CfgNode

from lib.config.loader import load_config
from lib.utils.errors import WeightsError
from lib.zoo.fetch import OFFLINE
from lib.zoo.resolve import is_published, published, resolve_weights

logger = logging.getLogger(__name__)

UNTRAINED = "untrained"  # folder of the scores of the initialisation, inside a run's

# Flags of older launchers: flag -> the key that it sets, None where it has nothing to say here.
_LEGACY = {
    "--modelDir": "OUTPUT_DIR",
    "--logDir": "LOG_DIR",
    "--dataDir": "DATA_DIR",
    "--prevModelDir": None,
    "--seed": "SEED",
    "--local-rank": None,
    "--local_rank": None,
    "--gpu": None,
    "--rank": None,
    "--world-size": None,
    "--dist-url": None,
}


def config_parser(
    description: str, subject: tuple[str, str] | None = None, *, required: bool = True
) -> argparse.ArgumentParser:
    """Return a parser with ``--cfg``, overrides, and the hidden flags of older launchers.

    Args:
        description: what the tool does.
        subject: name and help of a word that comes before the overrides.
        required: whether there must be a ``--cfg``.
    """
    parser = argparse.ArgumentParser(
        description=description,
        epilog="Overrides: KEY VALUE or KEY=VALUE, for instance TRAIN.LR 0.0005 GPUS=(0,1).",
    )
    parser.add_argument(
        "--cfg", required=required, metavar="FILE", help="YAML file of the experiment"
    )
    if subject is not None:
        parser.add_argument(subject[0], help=subject[1])
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="keys to override")
    parser.add_argument(
        "--offline", action="store_true", help="take weights from the disk and the cache only"
    )
    parser.add_argument(
        "--require-gpu",
        dest="keys",
        action="append_const",
        const="REQUIRE_GPU=true",
        help="stop (exit code 2) rather than run on the CPU",
    )
    for flag in _LEGACY:
        parser.add_argument(flag, help=argparse.SUPPRESS, default=None)
    return parser


def parse_config(
    parser: argparse.ArgumentParser, argv: list[str] | None = None
) -> tuple[CfgNode, argparse.Namespace]:
    """Parse ``argv`` and load the configuration it names.

    Words that no flag takes are overrides, wherever they stand. A flag of a tool that means a key
    appends an override to ``args.keys``. With published weights as ``TEST.MODEL_FILE`` (``zoo:``
    alone: those of the experiment itself) the keys they need come before the user's own.

    Raises:
        ConfigError: as ``load_config``.
        WeightsError: there are no such published weights.
    """
    args, overrides = parse_words(parser, argv)
    cfg = load_config(args.cfg, overrides)
    text = cfg.TEST.MODEL_FILE
    if not is_published(text):
        return cfg, args
    entry = published(text, args.cfg)
    file = f"TEST.MODEL_FILE=zoo:{entry.name}"
    logger.info("%s%s", file, "".join(f", {word} as it needs" for word in entry.settings))
    return load_config(args.cfg, [*entry.settings, *overrides, file]), args


def parse_words(
    parser: argparse.ArgumentParser, argv: list[str] | None = None
) -> tuple[argparse.Namespace, list[str]]:
    """Parse ``argv`` into flags and overrides, see ``parse_config``; no file is read."""
    args, rest = parser.parse_known_args(argv)
    unknown = [word for word in rest if word.startswith("--")]
    if unknown:
        parser.error(f"unknown flag {unknown[0]}")
    if args.offline:
        os.environ[OFFLINE] = "1"  # loaders and other processes of this call know it, too
    legacy = [  # an empty value is the old launchers' own default: nothing was asked for
        f"{key}={value}"
        for flag, key in _LEGACY.items()
        if key and (value := getattr(args, flag.strip("-").replace("-", "_")))
    ]
    keys = getattr(args, "keys", None) or []
    return args, [*legacy, *args.overrides, *rest, *keys]


def run_folders(cfg: CfgNode, cfg_file: str | Path) -> tuple[Path, Path]:
    """Return the folders of a run's results and of its TensorBoard files.

    ``<OUTPUT_DIR>/<dataset>/<model>/<name of the YAML>`` and the same below ``LOG_DIR``. The
    resolved ``config.yaml`` of a run, or of its ``untrained`` folder, leads back to the run.
    """
    path = Path(cfg_file)
    run = path.parent.parent if path.parent.name == UNTRAINED else path.parent
    is_resolved = path.name == "config.yaml"
    if is_resolved and run.parts[-3:-1] == (cfg.DATASET.DATASET, cfg.MODEL.NAME):
        name = run.name
    else:
        name = path.stem
    below = Path(cfg.DATASET.DATASET) / cfg.MODEL.NAME / name
    return Path(cfg.OUTPUT_DIR) / below, Path(cfg.LOG_DIR) / below


def find_weights(cfg: CfgNode, folder: Path) -> Path:
    """Return ``TEST.MODEL_FILE``, or the run's best weights, or its last ones.

    Raises:
        WeightsError: there are none.
    """
    if cfg.TEST.MODEL_FILE:
        return resolve_weights(cfg.TEST.MODEL_FILE)
    found = run_weights(folder)
    if found is None:
        raise WeightsError(
            f"No weights: {folder} has no model_best or final_state (.pth, .safetensors); train "
            "first, or set TEST.MODEL_FILE: zoo: takes the published ones."
        )
    return found


def run_weights(folder: Path) -> Path | None:
    """Return the best weights of a run, else its last ones, else None."""
    for name in ("model_best", "final_state"):
        found = [folder / f"{name}{ending}" for ending in (".pth", ".safetensors")]
        there = [path for path in found if path.is_file()]
        if there:
            return max(there, key=lambda path: path.stat().st_mtime)
    return None
