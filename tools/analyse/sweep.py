"""Train one experiment with many settings, and say which are best.

``python tools/analyse/sweep.py --cfg FILE --set TRAIN.LR=1e-3,3e-4 TRAIN.WD=1e-4,1e-2``
``python tools/analyse/sweep.py --cfg FILE --set TRAIN.LR=1e-5..1e-2:log --sampler tpe --trials 30``

--set takes values (KEY=A,B,C) and ranges (KEY=LOW..HIGH, KEY=LOW..HIGH:log); --space takes a YAML
file with a list, or {low: L, high: H, log: true}, for each key. Other words are overrides of all
trials. The score is the number that chooses the best weights (TEST.BEST), of the best weights;
losses and errors have a minus, so that higher is always better.

Everything tried stands in sweep.sqlite below --out. Given again, the command goes on where it was
stopped or killed, a trial in the middle of its training; more --trials or --seeds add to what is
there. Several processes, also on several machines with one disk, may work on one --out.
Leaves the runs, sweep.sqlite and sweep.json there.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.config.cli import config_parser, parse_words
from lib.sweep.samplers import SAMPLERS, build_sampler
from lib.sweep.space import corners, read_file, read_words, words_of
from lib.sweep.store import FILE, Store
from lib.sweep.table import rows_of, text_of
from lib.utils.cli import count, run_tool
from lib.utils.errors import ConfigError
from lib.utils.files import json_text
from lib.utils.logging import setup_logging
from lib.utils.sbatch import add_submit_flags, job_words, submit
from lib.utils.slurm import requeue, requeue_after

if TYPE_CHECKING:
    from yacs.config import CfgNode

    from lib.sweep.search import Sweep

logger = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; ``args`` are those of the tool's words that are no overrides."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = config_parser(summary)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = details
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUES", help="what varies"
    )
    parser.add_argument("--space", type=Path, metavar="FILE", help="YAML file of what varies")
    parser.add_argument(
        "--sampler",
        default="",
        help=f"{', '.join(SAMPLERS)}; default: grid, or random where there are ranges",
    )
    parser.add_argument("--trials", type=count, default=0, help="in all; default: the whole grid")
    parser.add_argument("--seeds", type=int, nargs="+", help="of each trial; default: SEED alone")
    parser.add_argument("--out", type=Path, help="default: output/sweep/<name of the YAML>")
    parser.add_argument("--retry", action="store_true", help="try again what failed")
    parser.add_argument("--table", action="store_true", help="train nothing, print what is there")
    add_submit_flags(parser)
    return parser


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    """Search, print the table; return its rows."""
    args, overrides = parse_words(build_parser(), argv)
    sweep, cfg = build_sweep(args, overrides)
    if args.submit:
        command = [str(Path(__file__).resolve()), *job_words(argv)]
        print(submit(args, command, sweep.out, gpus=len(cfg.GPUS), cpus=cfg.WORKERS + 1))
        return []
    return work(args, sweep, cfg)


def build_sweep(args: argparse.Namespace, overrides: list[str]) -> tuple[Sweep, CfgNode]:
    """Return what is searched, and the configuration of one trial.

    Raises:
        ConfigError: a key or a value is wrong.
    """
    from lib.config import load_config
    from lib.sweep.search import Sweep

    space = {**(read_file(args.space) if args.space else {}), **read_words(args.set)}
    if not space:
        raise ConfigError("Nothing varies: give --set TRAIN.LR=1e-3,3e-4, or a --space FILE.")
    if "SEED" in space:
        raise ConfigError("Seeds are no settings to choose from: give them as --seeds 0 1 2.")
    if "TEST.BEST" in space:
        raise ConfigError(
            "TEST.BEST is the score of all trials: it cannot vary from one to another."
        )
    base = load_config(args.cfg, [*overrides, *words_of(corners(space)[0])])
    seeds = list(dict.fromkeys(args.seeds or [base.SEED]))
    out = args.out or Path(base.OUTPUT_DIR) / "sweep" / Path(args.cfg).stem
    sampler = build_sampler(args.sampler, space, base.SEED)
    sweep = Sweep(args.cfg, overrides, sampler, args.trials, seeds, out)
    _ = sweep.limit  # complains now if nothing says how many
    return sweep, sweep.check()


def work(args: argparse.Namespace, sweep: Sweep, cfg: CfgNode) -> list[dict[str, Any]]:
    """Search unless only the table is wanted, and show what there is."""
    from lib.engine.distributed import session
    from lib.sweep.search import search

    with session(cfg.DIST_BACKEND, cfg.DIST_TIMEOUT) as world:
        setup_logging(rank=world.rank)
        store = Store(sweep.out / FILE)
        store.check(sweep.about(cfg))
        if args.retry and world.is_main:
            logger.info("%d runs that failed are tried again", store.forget_failures())
        signal = 0 if args.table else search(sweep, store)
    rows = rows_of(store, sweep.seeds)
    if world.is_main:
        (sweep.out / "sweep.json").write_text(json_text(rows, 1), encoding="utf-8")
        print(text_of(rows))
        if signal and not (requeue_after(signal) and requeue()):
            logger.warning("stopped; give the same command again to go on")
    return rows


if __name__ == "__main__":
    run_tool(main)
