import contextlib
import json
import logging
import math

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog
from toys.disk import full_disk

from lib.engine.clock import Pace
from lib.engine.records import RunRecords, append_line, trim_metrics
from lib.engine.trackers.base import Place
from lib.engine.trackers.board import Board


def write(folder, rows, tail=""):
    text = "".join(json.dumps({"kind": kind, "step": step}) + "\n" for kind, step in rows)
    (folder / "metrics.jsonl").write_text(text + tail)


def board(folder, step=0):
    place = Place(folder, folder / "log", folder, "project", "name", {}, step=step)
    return Board(place)


def steps(folder):
    rows = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(row["kind"], row["step"]) for row in rows]


@pytest.mark.parametrize("evaluated", [True, False])
def test_lines_that_will_come_again_are_removed(tmp_path, evaluated):
    rows = [("train", 4), ("val", 4), ("train", 8), ("val", 8), ("train", 9), ("val", 12)]
    write(tmp_path, rows, tail='{"kind": "tra')
    trim_metrics(tmp_path, 8, evaluated=evaluated)
    assert steps(tmp_path) == rows[: 4 if evaluated else 3]


def test_nothing_to_trim(tmp_path):
    trim_metrics(tmp_path, 8, evaluated=True)
    assert not list(tmp_path.iterdir())


def test_lines_are_json_and_figures_lose_their_mark_on_screen(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    records = RunRecords(tmp_path, total=20, step=0, active=True)
    values = {"loss": 0.5, "_accuracy": math.nan}
    pace = Pace(12.34567, 2.0, {"waiting": 0.25, "sending": 0.001, "computing": 0.749})
    memory = {"host_gib": 1.25, "workers_gib": [0.5, 0.75]}
    records.train(10, 3, values, lr=1e-3, pace=pace, memory=memory, advice="turn this")
    records.val(10, 3, {"AP": 0.25}, {"load": 1.0, "predict": 2.5})
    records.close()
    train, val = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert train == {
        "kind": "train", "epoch": 3, "step": 10, "loss": 0.5, "_accuracy": None, "lr": 1e-3,
        "samples_per_s": 12.346,
        "waiting": 0.25, "sending": 0.001, "computing": 0.749, "host_gib": 1.25,
        "workers_gib": [0.5, 0.75], "advice": "turn this",
    }  # fmt: skip
    assert val == {
        "kind": "val", "epoch": 3, "step": 10, "AP": 0.25, "seconds": {"load": 1.0, "predict": 2.5}
    }  # fmt: skip
    assert "epoch 3 step 10/20 loss 0.5 accuracy nan lr 0.001, 12.3 samples/s" in caplog.text
    assert (
        "25 % waiting, 75 % computing, peak GiB host 1.2 workers 0.75, 0:00:20 left" in caplog.text
    )
    assert "evaluated in 3.5 s: AP 0.2500" in caplog.text


def test_other_ranks_write_nothing(tmp_path):
    records = RunRecords(tmp_path / "run", total=2, step=0, active=False)
    records.train(1, 0, {"loss": 1.0}, lr=1.0, pace=Pace(1.0, 1.0), memory={})
    records.val(1, 0, {"AP": 1.0}, {})
    records.close()
    assert not list(tmp_path.iterdir())


def test_tensorboard_files_only_with_a_folder(tmp_path):
    records = RunRecords(tmp_path / "run", [board(tmp_path)], total=2, step=0, active=True)
    records.val(1, 0, {"AP (M)": 0.25, "AP (L)": math.nan}, {})
    records.close()
    assert scalars(tmp_path / "log") == [("val/epoch", 1, 0.0), ("val/AP_M", 1, 0.25)]


def test_tensorboard_forgets_the_steps_that_a_resumed_run_repeats(tmp_path):
    records = RunRecords(tmp_path / "run", [board(tmp_path, 4)], total=9, step=4, active=True)
    records.close()
    starts = [e.step for e in events(tmp_path / "log") if e.session_log.status == SessionLog.START]
    assert starts == [4]


def events(folder):
    """Read TensorBoard files: each record has its length, a checksum, the event, a checksum."""
    found = []
    for file in folder.iterdir():
        data = file.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def scalars(folder):
    return [(v.tag, e.step, v.simple_value) for e in events(folder) for v in e.summary.value]


def test_full_disk_costs_records_only_and_leaves_no_half_lines(tmp_path, caplog):
    records = RunRecords(tmp_path, [board(tmp_path)], total=9, step=0, active=True)
    for step in (1, 2, 3):
        with full_disk() if step == 2 else contextlib.nullcontext():
            records.val(step, 0, {"AP": 0.5}, {})
    records.close()
    assert steps(tmp_path) == [("val", 1), ("val", 3)]
    assert "step 2 are not complete (File too large); training goes on" in caplog.text


def test_line_that_was_cut_off_is_taken_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_line(path, "one")
    with full_disk(limit=7), pytest.raises(OSError, match="No space left"):
        append_line(path, "two and more")
    assert path.read_text() == "one\n"
