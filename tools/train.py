"""Train a model: ``python tools/train.py --cfg experiments/....yaml [KEY VALUE ...]``.

Leaves checkpoint.pth, model_best.pth, final_state.pth, config.yaml, metrics.jsonl and train.log in
``OUTPUT_DIR/<dataset>/<model>/<cfg>/``, TensorBoard files below ``LOG_DIR``.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from lib.config.cli import config_parser, parse_config, run_folders
from lib.utils.cli import run_tool
from lib.utils.logging import setup_logging
from lib.utils.sbatch import add_submit_flags, job_words, submit
from lib.utils.slurm import requeue, requeue_after

if TYPE_CHECKING:
    from lib.engine import FitResult

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> FitResult | None:
    """Train until the end, or until a signal asks to stop; None if a cluster is to do it."""
    parser = config_parser("Train a pose estimator.")
    parser.add_argument(
        "--resume",
        dest="keys",
        action="append_const",
        const="TRAIN.RESUME=true",
        help="continue the run in the output folder",
    )
    parser.add_argument(
        "--profile",
        dest="keys",
        action="append",
        type="PROFILE={}".format,
        metavar="N",
        help="trace N steps into trace.json.gz in the run folder, for Perfetto",
    )
    add_submit_flags(parser)
    cfg, args = parse_config(parser, argv)
    folder, log_folder = run_folders(cfg, args.cfg)
    if args.submit:
        command = [str(Path(__file__).resolve()), *job_words(argv), "AUTO_RESUME=true"]
        print(submit(args, command, folder, gpus=len(cfg.GPUS), cpus=cfg.WORKERS + 1))
        return None

    from lib.engine import fit
    from lib.engine.distributed import session
    from lib.engine.signals import stop_of_job
    from lib.engine.start import pretrained
    from lib.tasks import build_task

    with stop_of_job(), session(cfg.DIST_BACKEND, cfg.DIST_TIMEOUT) as world:
        setup_logging(folder, rank=world.rank)
        task = build_task(cfg)
        result = fit(cfg, task, folder, log_folder, initialise=pretrained(cfg, task))
    if world.is_main and not result.finished:
        again = requeue_after(result.signal) and requeue()
        logger.info("stopped%s", "" if again else "; go on with the same command and --resume")
    return result


if __name__ == "__main__":
    run_tool(main)
