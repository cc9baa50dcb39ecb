"""Kill training runs at random moments, resume them, and compare with runs left in peace.

    python tests/scripts/kill_resume.py --kills 20

For each task a small network trains on a few drawn pictures through ``tools/train.py``, with
accumulation, averaged weights and loader processes. SIGKILL comes at random moments: while starting
up, while training, and while a checkpoint is being written. A few times SIGTERM comes instead; then
the process must end with exit code 0. Each time the same command goes on (AUTO_RESUME). At the end
every tensor and number of the checkpoint must be equal, bit for bit.
Exit code 0 if all are.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from killing import CONFIGS, compare

from lib.datasets.synthetic import Recipe, write_dataset


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="per task (20)")
    parser.add_argument("--stops", type=int, default=2, help="SIGTERMs per task (2)")
    parser.add_argument("--tasks", nargs="+", default=list(CONFIGS), choices=list(CONFIGS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    equal = True
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), Recipe(train=8, val=3, seed=3, size=(160, 120)), workers=1)
        for task in args.tasks:
            moments = rng.choices(["start", "step", "save"], [1, 3, 1], k=args.kills)
            moments += ["stop"] * args.stops
            rng.shuffle(moments)
            equal &= compare(task, Path(folder), moments, rng)
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
