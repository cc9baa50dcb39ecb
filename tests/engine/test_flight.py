import pytest
import torch
from toys.disk import full_disk
from toys.toy_task import ToyTask, toy_config

from lib.engine import fit
from lib.engine.fit import build_trainer
from lib.engine.flight import read_flight, trim_flight


def config(**keys):
    return toy_config(**{"ROOT__FLIGHT": 2, "END_EPOCH": 2, "KEEP_LAST": 0, **keys})


def test_every_step_leaves_its_samples_and_the_weights_now_and_then(tmp_path):
    fit(config(), ToyTask(), tmp_path)
    flight = read_flight(tmp_path)
    assert flight.steps["step"].tolist() == list(range(11))
    assert flight.steps["epoch"].tolist() == [0, *[0] * 5, *[1] * 5]
    assert [len(rows) for rows in flight.samples] == [0, *[3, 3, 3, 3, 1] * 2]
    of_pass = [i for rows in flight.samples[1:6] for i in rows["index"].tolist()]
    assert sorted(of_pass) == list(range(13))
    assert [bool(w) for w in flight.steps["weights"]] == [n % 2 == 0 for n in range(11)]
    assert flight.facts(4)["processes"] == 1


def test_no_recorder_leaves_nothing(tmp_path):
    fit(config(ROOT__FLIGHT=0), ToyTask(), tmp_path)
    assert not list(tmp_path.glob("flight*"))


def test_steps_that_will_come_again_are_removed(tmp_path):
    fit(config(), ToyTask(), tmp_path)
    trim_flight(tmp_path, 4)
    assert read_flight(tmp_path).steps["step"].tolist() == [0, 1, 2, 3, 4]


def test_run_that_broke_off_behind_its_checkpoint_repeats_no_step(tmp_path):
    def fail(epoch):
        if epoch == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit(config(), ToyTask(broken={"any": fail}), tmp_path / "run")
    fit(config(RESUME=True), ToyTask(), tmp_path / "run")
    flight = read_flight(tmp_path / "run")
    assert flight.steps["step"].tolist() == list(range(11))
    assert [first for first, _ in flight.sessions] == [1, 6]


def test_full_disk_ends_the_recording_and_not_the_run(tmp_path, caplog):
    trainer = build_trainer(config(), ToyTask(), tmp_path)
    recorder = trainer.flight
    with full_disk():
        recorder.step([], {"loss": torch.zeros(())}, epoch=0)
        recorder.flush()
    assert "recorder stops" in caplog.text
    assert trainer.run().finished
    assert read_flight(tmp_path).steps["step"].tolist() == [0]
