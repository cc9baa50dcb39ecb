import numpy as np
import pytest
import torch
from toys.toy_task import ToyTask, toy_config

from lib.engine.finder import RateScan, scan_batches, scan_rates
from lib.utils.errors import ConfigError


def test_rates_rise_geometrically_until_the_loss_blows_up():
    scan = scan_rates(toy_config(OPTIMIZER="sgd"), ToyTask(), low=1e-4, high=1e4, steps=60)
    assert len(scan.rates) < 60
    np.testing.assert_allclose(scan.rates[1:] / scan.rates[:-1], 10 ** (8 / 59))
    assert scan.rates[0] == pytest.approx(1e-4)
    assert np.isfinite(scan.losses).all()
    assert 1e-3 < scan.steepest < scan.lowest


def test_the_steepest_fall_is_found_on_a_curve_made_by_hand():
    rates = np.geomspace(1e-5, 1, 101)
    curve = 1 - 1 / (1 + np.exp(-4 * (np.log10(rates) + 3))) + 5 * np.maximum(rates - 0.1, 0)
    scan = RateScan(rates, curve, curve)
    assert scan.steepest == pytest.approx(1e-3, rel=0.1)
    assert scan.lowest == pytest.approx(0.1, rel=0.1)
    assert np.isnan(RateScan(rates, rates, rates).steepest)


def test_parts_keep_their_factors_and_what_is_frozen_stays():
    seen = []

    class Watched(ToyTask):
        def loss_step(self, model, batch):
            seen.append(model.conv.weight.detach().clone())
            return super().loss_step(model, batch)

    cfg = toy_config(FREEZE=["conv"], LR_MULT={"out": 0.0}, ACCUMULATE=2)
    scan = scan_rates(cfg, Watched(), low=1e-3, high=1e-2, steps=7)
    assert len(scan.losses) == 7
    assert len(seen) == 14  # more than a pass of five batches
    assert all(torch.equal(one, seen[0]) for one in seen)


def test_parts_of_no_rate_are_refused():
    with pytest.raises(ConfigError, match=r"TRAIN\.LR must be above 0"):
        scan_rates(toy_config(LR=0.0), ToyTask(), steps=3)


@pytest.mark.parametrize(
    "keys", [{"low": 0.0}, {"low": 1.0, "high": 1.0}, {"steps": 2}, {"high": float("inf")}]
)
def test_rates_that_do_not_rise_are_refused(keys):
    with pytest.raises(ConfigError, match="Rates must rise"):
        scan_rates(toy_config(), ToyTask(), **keys)


def test_batches_double_up_to_the_most_and_beyond_the_samples():
    trials = scan_batches(toy_config(), ToyTask(), most=40, steps=1)
    assert [one.size for one in trials] == [1, 2, 4, 8, 16, 32]
    assert all(one.rate > 0 and one.memory > 0 for one in trials)
    assert scan_batches(toy_config(), ToyTask(), most=40, limit=0.0) == []


def test_a_batch_that_does_not_fit_ends_the_search():
    class Small(ToyTask):
        def loss_step(self, model, batch):
            if len(batch["image"]) > 4:
                raise torch.OutOfMemoryError
            return super().loss_step(model, batch)

    trials = scan_batches(toy_config(), Small(), steps=1)
    assert [one.size for one in trials] == [1, 2, 4]


def test_what_a_task_learns_from_is_opened_first():
    class Taught(ToyTask):
        teacher = None

        def prepare(self, device):
            self.teacher = device

        def loss_step(self, model, batch):
            assert self.teacher is not None
            return super().loss_step(model, batch)

    assert len(scan_rates(toy_config(), Taught(), steps=3).losses) == 3
    assert len(scan_batches(toy_config(), Taught(), most=1)) == 1
