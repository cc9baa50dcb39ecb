"""A program for torchrun: train the toy task below a folder; rank 1 dies once in the third pass."""

import logging
import os
import signal
import sys
from pathlib import Path

from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.engine.distributed import session


def die_once(epoch):
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if first and epoch == 2 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    with session("gloo", 60.0):
        fit(toy_config(), ToyTask(broken={"any": die_once}), Path(sys.argv[1]))
