"""Memory and start-up time of 1, 2, 4, 8 loader processes on a large annotation file.

    python tests/scripts/worker_memory.py --people 150000

Writes a COCO file of so many people (as many as train2017 has), all in one small picture, and loads
top-down training samples through the engine's stream. For every number of processes, in a fresh
process each: processor seconds until the data set is read, seconds to the first batch, the largest
resident set of the training process (while it reads the file) and that of a loader process (pages
shared with the training process included), the memory of all processes together after many batches
(every page counted once), the private memory of each loader process, and how much that grew since
its first batches.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from lib.datasets.synthetic import Recipe, write_dataset
from lib.engine.sampling import EpochSampler
from lib.engine.stream import TrainStream

MB = 1024.0  # kB


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=150_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--samples", type=int, default=32_000, help="loaded before measuring")
    parser.add_argument("--child", metavar="FOLDER", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(Path(args.child), args.workers[0], args.samples)))
        return
    with tempfile.TemporaryDirectory() as folder:
        size = write_people(Path(folder), args.people)
        print(f"{args.people} people, annotation file of {size / 2**20:.0f} MB")
        print(
            "workers  read  first batch  peak main  peak worker  all together  "
            "private per worker  growth per worker"
        )
        for count in args.workers:
            row = in_fresh_process(folder, count, args.samples)
            print(
                f"{count:>7}  {row['read']:3.0f}s  {row['first']:10.1f}s  "
                f"{row['main']:6.0f} MB  {row['worker']:8.0f} MB  {row['together']:9.0f} MB  "
                f"{row['private']:15.1f} MB  {row['growth']:14.1f} MB",
                flush=True,
            )


def in_fresh_process(folder, workers, samples):
    command = [sys.executable, "-W", "ignore", __file__, "--child", folder, "--workers", workers]
    command += ["--samples", samples]
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def write_people(folder, count):
    """Write ``coco/`` with ``count`` people, 2.6 per picture; return the size of the file."""
    write_dataset(folder, Recipe(train=1, val=1, seed=0, size=(96, 64)), workers=1)
    file = folder / "coco/annotations/person_keypoints_train2017.json"
    content = json.loads(file.read_text())
    image = content["images"][0]
    person = max(content["annotations"], key=lambda row: row["num_keypoints"])
    rng = np.random.default_rng(0)
    pictures = max(1, round(count / 2.6))
    content["images"] = [{**image, "id": i + 1} for i in range(pictures)]
    content["annotations"] = [
        {**person, "id": i + 1, "image_id": int(owner)}
        for i, owner in enumerate(rng.integers(1, pictures + 1, count))
    ]
    file.write_text(json.dumps(content))
    return file.stat().st_size


def measure(folder, workers, samples):
    from lib.tasks.topdown import TopDownTask

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    task = TopDownTask(configuration(folder))
    start = time.process_time()
    data = task.build_train_dataset()
    read = time.process_time() - start
    sampler = EpochSampler(len(data), 32, seed=0)
    stream = TrainStream(task, data, sampler, workers=workers, pin=False)
    start = time.perf_counter()
    batches = stream.batches(0)
    next(batches)
    first = time.perf_counter() - start
    for _ in range(10 * workers):
        next(batches)
    before = private(children())
    for _ in range(samples // 32 - 10 * workers):
        next(batches)
    after = private(children())
    everyone = ["self", *children()]
    return {
        "read": read,
        "first": first,
        "main": peak("self") / MB,
        "worker": max(map(peak, children())) / MB,
        "together": sum(field(f"/proc/{p}/smaps_rollup", "Pss:") for p in everyone) / MB,
        "private": float(np.mean(after)) / MB,
        "growth": (float(np.mean(after)) - float(np.mean(before))) / MB,
    }


def configuration(folder):
    from lib.config.defaults import default_config

    cfg = default_config()
    cfg.DATASET.DATASET, cfg.DATASET.ROOT = "coco", str(folder / "coco")
    cfg.MODEL.IMAGE_SIZE, cfg.MODEL.HEATMAP_SIZE = [48, 64], [12, 16]
    return cfg


def children():
    task = Path("/proc/self/task")
    return [pid for file in task.glob("*/children") for pid in file.read_text().split()]


def private(pids):
    """Private memory of each process, kB: pages that no other process has."""
    return [field(f"/proc/{pid}/smaps_rollup", "Private_") for pid in pids]


def peak(pid):
    return field(f"/proc/{pid}/status", "VmHWM")


def field(path, start):
    lines = Path(path).read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(start))


if __name__ == "__main__":
    main()
