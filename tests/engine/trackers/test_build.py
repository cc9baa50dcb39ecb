"""What the trackers' own files hold after a kill and a resume."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.engine.trackers.base import numbers_of
from lib.engine.trackers.wandb_store import log_entries

ROOT = Path(__file__).parents[3]
KILLED = """
import os, signal, sys
sys.path.insert(0, "tests")
from pathlib import Path
from engine.trackers.test_build import config
from toys.toy_task import ToyTask
from lib.engine import fit
def die(epoch):
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
folder = Path(sys.argv[1])
fit(config(folder, sys.argv[2]), ToyTask(broken={7: die}), folder / "run", folder / "log" / "run")
"""


def config(folder, name, **keys):
    cfg = toy_config(END_EPOCH=4, ROOT__LOGGERS=[name], ROOT__LOG_DIR=str(folder / "log"), **keys)
    cfg.TRAIN.LR_STEP, cfg.PRINT_FREQ = [9], 1
    return cfg


def recorded(folder):
    """Return the numbers of metrics.jsonl by name and step."""
    lines = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    return {(name, line["step"]): value for line in lines for name, value in numbers_of(line)}


def in_mlflow(folder):
    client = pytest.importorskip("mlflow").MlflowClient((folder / "log" / "mlruns").as_uri())
    (experiment,) = [e for e in client.search_experiments() if e.name == "efepose"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params["TRAIN.LR"] == "0.01"
    found = {}
    for name in run.data.metrics:
        for metric in client.get_metric_history(run.info.run_id, name):
            assert (name, metric.step) not in found  # once
            found[name, metric.step] = metric.value
    return found


def in_wandb(folder):
    from wandb.proto.wandb_internal_pb2 import Record

    found, ids = {}, set()
    for file in sorted((folder / "run" / "wandb").glob("offline-run-*/run-*.wandb")):
        for entry in log_entries(file.read_bytes()):
            record = Record.FromString(entry)
            if record.HasField("run"):
                ids.add(record.run.run_id)
            items = {item.key or "/".join(item.nested_key): item for item in record.history.item}
            for name, item in items.items():
                if not name.startswith("_"):
                    place = name, int(items["_step"].value_json)
                    assert place not in found  # once
                    found[place] = float(item.value_json)
    assert len(ids) <= 1  # the processes of one run
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("name", "read"), [("mlflow", in_mlflow), ("wandb", in_wandb)])
def test_store_equals_the_records_after_a_kill_and_a_resume(name, read, tmp_path):
    pytest.importorskip(name)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), name], check=False, cwd=ROOT, timeout=250
    )
    assert done.returncode == -9
    cfg = config(tmp_path, name, RESUME=True)
    assert fit(cfg, ToyTask(), tmp_path / "run", tmp_path / "log" / "run").finished
    wanted = recorded(tmp_path / "run")
    assert {step for _, step in wanted} == set(range(1, 21))
    for _ in range(100):  # wandb's own process may still be writing
        found = read(tmp_path)
        if len(found) == len(wanted):
            break
        time.sleep(0.2)
    assert found == pytest.approx(wanted)
