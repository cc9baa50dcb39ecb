import pytest

from lib.sweep.samplers import Trial
from lib.sweep.store import Run, Store
from lib.utils.errors import ConfigError

SEEDS = [3, 5]


def ask(number, earlier):
    assert [trial.number for trial in earlier] == list(range(number))
    return Trial(number, {"A": str(number)})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "deep" / "s.sqlite")


def test_trials_are_numbered_until_there_are_enough(store):
    assert [store.add(ask, 2, SEEDS).number for _ in range(2)] == [0, 1]
    assert store.add(ask, 2, SEEDS) is None
    assert store.add(ask, 3, SEEDS).settings == {"A": "2"}
    again = Store(store.path)
    assert [trial.settings["A"] for trial in again.trials(SEEDS)] == ["0", "1", "2"]


def test_a_value_is_the_mean_of_all_seeds(store):
    store.add(ask, 9, SEEDS)
    store.note(Run(0, 3, 0.25))
    assert store.trials(SEEDS)[0].value is None
    store.note(Run(0, 5, 0.75))
    assert store.trials(SEEDS)[0].value == 0.5
    assert store.trials([3])[0].value == 0.25
    assert store.trials([3, 5, 7])[0].value is None


def test_one_failure_fails_a_trial_until_it_is_tried_again(store):
    store.add(ask, 9, SEEDS)
    store.note(Run(0, 3, 0.25))
    store.note(Run(0, 5, float("nan")))
    assert store.trials(SEEDS)[0].failed
    assert store.runs()[0, 5].note == "no score"
    assert store.forget_failures() == 1
    assert not store.trials(SEEDS)[0].failed
    assert set(store.runs()) == {(0, 3)}


def test_what_fails_leaves_nothing_behind(store):
    def broken(number, earlier):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.add(broken, 2, SEEDS)
    assert store.trials(SEEDS) == []


def test_another_sweep_is_refused(store):
    about = {"space": {"A": ["1", "2"]}, "MODEL.SIGMA": 2.0, "MODEL.IMAGE_SIZE": (3, 4)}
    store.check(about)
    store.check(dict(about))
    with pytest.raises(ConfigError, match=r"MODEL\.SIGMA is 2\.0, here it is 3\.0"):
        store.check({**about, "MODEL.SIGMA": 3.0})
    store.check({**about, "TRAIN.NEW_KEY": 1})  # of a later version of ours


def test_other_files_are_refused(tmp_path):
    file = tmp_path / "x.sqlite"
    file.write_text("no data base, but long enough to be looked at as one by anybody")
    with pytest.raises(ConfigError, match=r"x\.sqlite cannot be used"):
        Store(file)
