import json
import math
import random

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR, ReduceLROnPlateau
from toys.toy_task import toy_config

from lib.config import load_config
from lib.engine.plan import build_plan
from lib.engine.schedules import build_scheduler


def sgd(lr):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    optimizer.param_groups[0]["initial_lr"] = lr
    return optimizer


def rates(steps_per_pass, metrics=None, **keys):
    """Rate of every pass (of its first step), evaluating after each with ``metrics``."""
    cfg = toy_config(**keys)
    plan = build_plan(cfg, steps_per_pass)
    schedule, optimizer, found = build_scheduler(cfg, plan), sgd(cfg.TRAIN.LR), []
    for step in range(plan.total):
        found.append(schedule.apply(optimizer, step))
        if metrics is not None and (step + 1) % steps_per_pass == 0:
            schedule.observe(step + 1, metrics[step // steps_per_pass])
    return found


def test_multistep_falls_after_the_milestone_epochs_are_done():
    found = rates(3, LR=1.0, LR_STEP=[2, 4], END_EPOCH=6)
    assert found == pytest.approx([1.0] * 6 + [0.1] * 6 + [0.01] * 6)


def test_multistep_is_torch_stepped_at_the_end_of_each_epoch():
    found = rates(1, LR=0.5, LR_STEP=[170, 200], END_EPOCH=210)
    optimizer = sgd(0.5)
    theirs, scheduler = [], MultiStepLR(optimizer, [170, 200], 0.1)
    for _ in range(210):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert found == pytest.approx(theirs)
    assert (found[169], found[170], found[199], found[200]) == pytest.approx(
        (0.5, 0.05, 0.05, 5e-3)
    )


def test_multistep_counts_from_the_first_epoch():
    assert rates(1, LR=1.0, LR_STEP=[4], BEGIN_EPOCH=3, END_EPOCH=6) == pytest.approx([1, 0.1, 0.1])


def test_multistep_in_iterations():
    found = rates(4, LR=1.0, LR_STEP=[3, 5], MAX_ITER=7)
    assert found == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_linear_warm_up_of_the_detector_recipe():
    found = rates(9, LR=0.02, MAX_ITER=1200, WARMUP_ITERS=1000, WARMUP_FACTOR=0.001, LR_STEP=[1100])
    assert found[0] == pytest.approx(0.02 * 0.001)
    assert found[500] == pytest.approx(0.02 * (0.001 + 0.999 * 0.5))
    assert found[1000:1100] == pytest.approx([0.02] * 100)
    assert found[1100] == pytest.approx(0.002)


def test_cosine_is_torchs():
    found = rates(5, LR=0.3, SCHEDULER="cosine", END_EPOCH=4, LR_MIN=0.03)
    optimizer = sgd(0.3)
    theirs, scheduler = [], CosineAnnealingLR(optimizer, 20, eta_min=0.03)
    for _ in range(20):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert found == pytest.approx(theirs)


def test_cosine_starts_after_the_warm_up():
    found = rates(1, LR=1.0, SCHEDULER="cosine", MAX_ITER=20, WARMUP_ITERS=4, WARMUP_FACTOR=0.0)
    assert found[:4] == pytest.approx([0, 0.25, 0.5, 0.75])
    assert found[4] == 1.0
    assert found[12] == pytest.approx(0.5)


def test_plateau_is_torchs():
    rng = random.Random(3)
    metrics = [min(0.7, 0.02 * i) + 0.002 * rng.random() for i in range(120)]
    found = rates(2, metrics, LR=1e-3, SCHEDULER="plateau", LR_FACTOR=0.3, END_EPOCH=120)
    optimizer = sgd(1e-3)
    scheduler = ReduceLROnPlateau(optimizer, mode="max", factor=0.3, patience=5)
    theirs = []
    for metric in metrics:
        theirs += [optimizer.param_groups[0]["lr"]] * 2
        scheduler.step(metric)
    kept = [i for i, rate in enumerate(theirs) if rate > 1e-7]  # torch stops falling at 1e-8
    assert len({theirs[i] for i in kept}) > 3
    assert [found[i] for i in kept] == pytest.approx([theirs[i] for i in kept])


def test_published_warm_up_and_plateau_sequence():
    """Five epochs -5..-1 at 1/5 .. 5/5; a plateau found there does not lower epoch 0."""
    flat = [0.5] * 20
    found = rates(2, flat, LR=1.0, SCHEDULER="plateau", LR_FACTOR=0.3, WARMUP_EPOCHS=5, END_EPOCH=9)
    by_epoch = found[::2]
    assert by_epoch[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    # Evaluation 1 is the best; the sixth without progress follows epoch 1 and lowers epoch 2.
    assert by_epoch[5:] == pytest.approx([1.0] * 2 + [0.3] * 6 + [0.09])


def test_plateau_in_the_warm_up_is_forgotten_at_epoch_zero():
    flat = [0.5] * 20
    keys = {"SCHEDULER": "plateau", "LR_FACTOR": 0.3, "PATIENCE": 2, "LR": 1.0}
    by_epoch = rates(1, flat, WARMUP_EPOCHS=5, END_EPOCH=4, **keys)
    assert by_epoch == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0, 0.3, 0.3])


def test_plateau_state_survives():
    cfg = toy_config(SCHEDULER="plateau", PATIENCE=1)
    plan = build_plan(cfg, 3)
    first, second = build_scheduler(cfg, plan), build_scheduler(cfg, plan)
    for step in (3, 6, 9):
        first.observe(step, 0.5)
    second.load_state_dict(first.state_dict())
    assert second.shape(9) == first.shape(9) == pytest.approx(0.1)
    second.observe(12, 0.4)
    assert second.state_dict()["bad"] == 1


def test_score_that_is_not_a_number_counts_as_no_progress():
    cfg = toy_config(SCHEDULER="plateau", PATIENCE=1)
    schedule = build_scheduler(cfg, build_plan(cfg, 3))
    for step in (3, 6):
        schedule.observe(step, math.nan)
    assert schedule.shape(6) == pytest.approx(0.1)


def test_groups_keep_their_own_base_rate():
    cfg = toy_config(LR=1.0, LR_STEP=[0])
    optimizer = sgd(1.0)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(2))], "initial_lr": 0.5})
    build_scheduler(cfg, build_plan(cfg, 3)).apply(optimizer, 1)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1, 0.05])


@pytest.mark.parametrize("recipe", ["vitpose", "rtmpose"])
def test_schedules_of_newer_recipes_are_the_references(shared, recipe):
    """The experiments' own keys, at 20 steps per epoch; rtmpose with the 420 epochs of COCO."""
    wanted = json.loads((shared / "golden/mmpose/training.json").read_text())[f"schedule_{recipe}"]
    name = {"vitpose": "vitpose/vitpose_s_256x192", "rtmpose": "rtmpose/rtmpose_m_256x192"}[recipe]
    cfg = load_config(f"experiments/coco/{name}.yaml")
    plan = build_plan(cfg, wanted["iterations_per_epoch"])
    schedule, optimizer = build_scheduler(cfg, plan), sgd(1.0)
    found = {step: schedule.apply(optimizer, int(step)) for step in wanted["factor"]}
    assert found == pytest.approx(wanted["factor"], abs=1e-9)
    assert plan.total == max(map(int, wanted["factor"])) + 1


def test_flat_is_a_share_of_the_run_and_never_shorter_than_the_warm_up():
    found = rates(1, LR=1.0, SCHEDULER="cosine", MAX_ITER=20, FLAT=0.5, LR_MIN=0.05)
    assert found[:11] == pytest.approx([1.0] * 11)
    assert found[15] == pytest.approx(0.05 + 0.95 * 0.5)
    assert found[11] < 1.0
    short = rates(1, LR=1.0, SCHEDULER="cosine", MAX_ITER=20, FLAT=0.1, WARMUP_ITERS=10)
    assert short[10:] == pytest.approx(rates(1, LR=1.0, SCHEDULER="cosine", MAX_ITER=10))


def test_a_plateau_of_losses_which_have_a_minus():
    schedule = build_scheduler(
        toy_config(SCHEDULER="plateau", LR_FACTOR=0.5, PATIENCE=1), build_plan(toy_config(), 5)
    )
    for step, loss in enumerate([3.0, 2.0, 2.0]):
        schedule.observe(step, -loss)
    assert schedule.shape(9) == 1.0
    schedule.observe(3, -1.9999)  # better by less than the threshold
    assert schedule.shape(9) == 0.5
    schedule.forget()
    assert schedule.state_dict() == {"factor": 0.5, "best": -math.inf, "bad": 0}
