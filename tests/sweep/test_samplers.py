import itertools
from dataclasses import replace

import pytest

from lib.sweep.samplers import OPTUNA, Trial, build_sampler
from lib.sweep.space import read_words
from lib.utils.errors import ConfigError

MIXED = read_words(["A=1,2,3", "B=1e-4..1e-1:log", "C=2..5"])


def searched(sampler, count, score, start=()):
    """Return trials that were scored at once; ``start`` are some that there are already."""
    trials = list(start)
    for number in range(len(trials), count):
        asked = sampler.ask(number, trials)
        trials.append(replace(asked, value=score(asked)))
    return trials


def test_a_grid_is_every_combination_once():
    sampler = build_sampler("", read_words(["A=1,2,3", "B=x,y"]), seed=0)
    assert sampler.most == 6
    asked = [tuple(sampler.ask(n, ()).settings.values()) for n in range(6)]
    assert asked == list(itertools.product("123", "xy"))


def test_a_grid_has_no_ranges():
    with pytest.raises(ConfigError, match="not a range"):
        build_sampler("grid", MIXED, seed=0)
    assert build_sampler("", MIXED, seed=0).most is None


def test_random_settings_depend_on_seed_and_number_only():
    one, same, other = (build_sampler("random", MIXED, seed) for seed in (4, 4, 5))
    asked = [one.ask(n, ()).settings for n in range(40)]
    assert asked == [same.ask(n, [Trial(0, {})]).settings for n in range(40)]
    assert asked != [other.ask(n, ()).settings for n in range(40)]
    assert {settings["A"] for settings in asked} == set("123")
    assert {settings["C"] for settings in asked} == set("2345")
    assert all(1e-4 <= float(settings["B"]) <= 1e-1 for settings in asked)
    assert sum(float(settings["B"]) < 10**-2.5 for settings in asked) in range(10, 31)


@pytest.mark.parametrize("name", OPTUNA)
def test_optuna_goes_on_as_if_it_had_never_stopped(name):
    pytest.importorskip("optuna")

    def score(trial):
        return -abs(int(trial.settings["C"]) - 4) + (trial.settings["A"] == "2")

    whole = searched(build_sampler(name, MIXED, 3), 12, score)
    start = whole[:5]
    assert searched(build_sampler(name, MIXED, 3), 12, score, start) == whole
    failed = [replace(trial, value=None, failed=True) for trial in start]
    assert searched(build_sampler(name, MIXED, 3), 7, score, failed)[:5] == failed


def test_optuna_learns_from_the_scores():
    pytest.importorskip("optuna")
    space = read_words(["X=0.0..1.0"])
    trials = searched(
        build_sampler("tpe", space, 1), 40, lambda trial: -abs(float(trial.settings["X"]) - 0.9)
    )
    late = [abs(float(trial.settings["X"]) - 0.9) for trial in trials[25:]]
    assert sum(late) / len(late) < 0.15  # 0.41 at random


def test_unknown_samplers_are_named():
    with pytest.raises(ConfigError, match="grid, random, tpe"):
        build_sampler("bayes", MIXED, 0)
