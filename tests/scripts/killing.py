"""Training runs that are killed and compared with runs left in peace."""

import io
import itertools
import json
import os
import signal
import time
from importlib.util import module_from_spec, spec_from_file_location
from multiprocessing import get_context
from pathlib import Path

import torch
import yaml

from lib.engine import checkpointing, records, step, trainer
from lib.report.divergence import compare_runs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FORK = get_context("forkserver")  # imports this file and what it needs once, for all runs
FORK.set_forkserver_preload([__name__])


def load_tool():
    spec = spec_from_file_location("train_tool", ROOT / "tools" / "train.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()
STAGES = {
    "STAGE1": {"NUM_BLOCKS": [1], "NUM_CHANNELS": [4]},
    "STAGE2": {"NUM_MODULES": 1, "NUM_BRANCHES": 2, "NUM_BLOCKS": [1] * 2, "NUM_CHANNELS": [4, 8]},
    "STAGE3": {
        "NUM_MODULES": 1, "NUM_BRANCHES": 3, "NUM_BLOCKS": [1] * 3, "NUM_CHANNELS": [4, 8, 8]
    },
    "STAGE4": {
        "NUM_MODULES": 1, "NUM_BRANCHES": 4, "NUM_BLOCKS": [1] * 4, "NUM_CHANNELS": [4, 8, 8, 8]
    },
}  # fmt: skip
TRAIN = {
    "BATCH_SIZE_PER_GPU": 3,
    "ACCUMULATE": 2,
    "EMA": 0.99,
    "CLIP_NORM": 1.0,
    "EVAL_PERIOD": 6,
    "CHECKPOINT_ITERS": 2,
    "KEEP_LAST": 1,
}
CONFIGS = {
    "topdown": {
        "MODEL": {
            "NAME": "pose_hrnet",
            "IMAGE_SIZE": [64, 96],
            "HEATMAP_SIZE": [16, 24],
            "SIGMA": 1,
            "EXTRA": STAGES,
        },
        "TRAIN": {**TRAIN, "END_EPOCH": 16, "LR_STEP": [9]},
        "TEST": {"USE_GT_BBOX": True},
    },
    "bottomup": {
        "MODEL": {
            "NAME": "pose_higher_hrnet",
            "EXTRA": {
                **STAGES,
                "DECONV": {
                    "NUM_DECONVS": 1, "NUM_CHANNELS": [4], "KERNEL_SIZE": [4],
                    "NUM_BASIC_BLOCKS": 1, "CAT_OUTPUT": [True],
                },
            },
        },
        "DATASET": {"INPUT_SIZE": 64, "OUTPUT_SIZE": [16, 32], "SIGMA": 2},
        "LOSS": {
            "NUM_STAGES": 2, "AE_LOSS_TYPE": "exp",
            "WITH_HEATMAPS_LOSS": [True, True], "HEATMAPS_LOSS_FACTOR": [1.0, 1.0],
            "WITH_AE_LOSS": [True, False], "PUSH_LOSS_FACTOR": [0.001, 0.001],
            "PULL_LOSS_FACTOR": [0.001, 0.001],
        },
        "TRAIN": {**TRAIN, "END_EPOCH": 32, "LR_STEP": [18]},
        "TEST": {"WITH_HEATMAPS": [True, True], "WITH_AE": [True, False]},
    },
}  # fmt: skip
CONFIGS["mix"] = {
    **CONFIGS["topdown"],
    "MODEL": {**CONFIGS["topdown"]["MODEL"], "NUM_JOINTS": 23},
    "DATASET": {
        "MIX": [
            {"DATASET": "coco", "TRAIN_SET": "train2017", "TEST_SET": "val2017", "WEIGHT": 3},
            {"DATASET": "mpii", "TRAIN_SET": "train", "TEST_SET": "valid", "WEIGHT": 1},
            {"DATASET": "crowdpose", "TRAIN_SET": "trainval", "WEIGHT": 1},
        ],
        "PHOTOMETRIC": {"PRESET": "strong"},
        "STAGES": [{"EPOCH": 2, "PHOTOMETRIC": {"PRESET": "off"}, "SCALE_FACTOR": 0.1}],
    },
}


def compare(task, folder, moments, rng, **train):
    """Kill a run at ``moments``, print a table; return whether it ended as one left in peace.

    Args:
        task: a key of ``CONFIGS``.
        folder: holds the data set, gets the runs.
        moments: of each kill: ``start`` (within a second), ``step`` (some time after a checkpoint),
            ``save`` (while a checkpoint is being written); ``stop`` sends SIGTERM, not SIGKILL. Or
            a place and a number, as ``record 3``: the run ends itself when it comes to one of
            ``PLACES`` for the third time, on a machine of any speed.
        rng: draws the times of those without a number.
        train: TRAIN keys of both runs.
    """
    whole, parts = (write_config(task, folder, name, **train) for name in ("whole", "parts"))
    if finish(begin(whole)) != 0:
        raise SystemExit(f"{task}: the run in peace failed")
    total = steps(whole)
    print(f"\n{task}: {total} steps", flush=True)
    print(f"{'kill':>4} {'at':>12} {'after':>8}  {'steps saved':>11}  {'half-written file':>17}")
    count = 0
    for left in range(len(moments), 0, -1):
        # So far that the kills to come find steps as well.
        reach = steps(parts) + rng.uniform(0.0, (total - steps(parts)) / (left + 1))
        done = kill_once(parts, moments[-left], reach, rng)
        if done is None:
            break
        count += 1
        print(f"{count:>4} {done[0]:>12} {done[1]:7.2f}s  {done[2]:>11}  {done[3]:>17}", flush=True)
    code = finish(begin(parts))
    differing = differences(whole, parts)
    print(f"{count} kills, then the run ended with exit code {code}; ", end="")
    print(f"DIFFERENT: {differing[:5]}" if differing else "equal bit for bit", flush=True)
    return code == 0 and not differing and count == len(moments)


def write_config(task, folder, name, **train):
    """Write ``<task>_<name>.yaml`` for the data set in ``folder``; keywords set TRAIN keys."""
    settings = {
        "WORKERS": 1,
        "AUTO_RESUME": True,
        "PRINT_FREQ": 2,
        "OUTPUT_DIR": str(folder / "output"),
        "LOG_DIR": str(folder / "log"),
        **{key: dict(value) for key, value in CONFIGS[task].items()},
    }
    node = settings.setdefault("DATASET", {})
    if "MIX" in node:
        node["MIX"] = [{**one, "ROOT": str(folder / one["DATASET"])} for one in node["MIX"]]
    else:
        node.update(DATASET="coco", ROOT=str(folder / "coco"))
    settings["MODEL"]["INIT_WEIGHTS"] = False
    settings["TRAIN"].update(train)
    path = folder / f"{task}_{name}.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def run_folder(config):
    return next((config.parent / "output").glob(f"*/*/{config.stem}"), None)


def half_a_file(payload, file):
    whole = io.BytesIO()
    checkpointing.torch.save(payload, whole)
    file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
    file.flush()


def half_a_line(path, text):
    with path.open("a") as file:
        file.write(text[: len(text) // 2])


# Where a run may end itself: whose attribute is called there, and what is still done.
PLACES = {
    "step": (step.TrainStep, "__call__", None),
    "stop": (step.TrainStep, "__call__", None),
    "save": (checkpointing.torch, "save", half_a_file),
    "evaluation": (trainer, "evaluate", None),
    "record": (records, "append_line", half_a_line),
}


def signal_of(moment):
    return signal.SIGTERM if moment.startswith("stop") else signal.SIGKILL


def end_at(moment):
    """Let this process and its loaders get the signal of ``moment`` when they come to its place."""
    place, count = moment.split()
    owner, name, last_deed = PLACES[place]
    plain, calls = getattr(owner, name), itertools.count(1)

    def counting(*args, **kwargs):
        if next(calls) == int(count):
            if last_deed is not None:
                setattr(owner, name, plain)
                last_deed(*args, **kwargs)
            os.killpg(0, signal_of(moment))
        return plain(*args, **kwargs)

    setattr(owner, name, counting)


def begin(config, moment=None):
    # The server does not take over the import path, and would silently preload nothing.
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (HERE, HERE.parent, ROOT)))
    process = FORK.Process(target=train, args=(str(config), moment))
    process.start()
    return process


def train(config, moment=None):
    """Run tools/train.py in this process, which leads a group of its own, until ``moment``."""
    os.setsid()
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    torch.set_num_threads(1)
    if moment is not None:
        end_at(moment)
    TOOL.main(["--cfg", config])


def finish(process):
    process.join()
    return process.exitcode


def kill_once(config, moment, reach, rng):
    """Start the run and kill it after ``reach`` steps; return what was seen, None if it ended."""
    named = " " in moment
    process = begin(config, moment if named else None)
    start = time.monotonic()
    if named:
        process.join()
        return _seen(config, process, moment, start)
    if moment == "start":
        time.sleep(rng.uniform(0.0, 1.0))
    elif wait(process, lambda: steps(config) > reach) and moment in ("step", "stop"):
        time.sleep(rng.uniform(0.0, 0.5))
    elif moment == "save":
        wait(process, lambda: half_written(config))
    if not process.is_alive():
        return None
    number = signal_of(moment)
    os.killpg(process.pid, number) if moved(process) else process.kill()
    return _seen(config, process, moment, start)


def _seen(config, process, moment, start):
    seconds, number = time.monotonic() - start, signal_of(moment)
    if finish(process) != (0 if number == signal.SIGTERM else -signal.SIGKILL):
        raise SystemExit(f"{config}: exit code {process.exitcode} after {number.name}, {moment}")
    return moment, seconds, steps(config), "yes" if half_written(config) else "no"


def moved(process):
    """Whether the child leads its own group already."""
    return os.getpgid(process.pid) == process.pid


def wait(process, condition):
    while process.is_alive():
        if condition():
            return True
        time.sleep(0.002)
    return False


def half_written(config):
    folder = run_folder(config)
    return folder is not None and any(folder.glob("checkpoint*.part"))


def steps(config):
    """Optimiser steps in the newest checkpoint: its numbered name says so."""
    folder = run_folder(config)
    names = [] if folder is None else folder.glob("checkpoint_*.pth")
    return max((int(name.stem.rpartition("_")[2]) for name in names), default=0)


def differences(left, right):
    """Names of what differs between the last files of two runs."""
    found = []
    for name in ("checkpoint.pth", "model_best.pth", "final_state.pth"):
        pair = [torch.load(run_folder(c) / name, weights_only=True) for c in (left, right)]
        found += unequal(*pair, name)
    found += ["metrics.jsonl"] * (records_of(left) != records_of(right))
    parted = compare_runs(run_folder(left), run_folder(right))
    return found + [f"flight.bin: {parted}"] * (parted is not None)


def unequal(left, right, path):
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return [] if torch.equal(left, right) else [path]
    if isinstance(left, dict) and isinstance(right, dict):
        names = sorted({*left, *right} - {"config"}, key=str)  # it names the output folder
        return [n for k in names for n in unequal(left.get(k), right.get(k), f"{path}.{k}")]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [
            n
            for i, pair in enumerate(zip(left, right, strict=True))
            for n in unequal(*pair, f"{path}[{i}]")
        ]
    absent = left != left and right != right  # scores that are not there are NaN
    return [] if left == right or absent else [path]


def records_of(config):
    """Evaluations, worst samples and pictures; means of losses depend on where a run stopped."""
    lines = (run_folder(config) / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [{**row, "seconds": None} for row in rows if row["kind"] != "train"]
