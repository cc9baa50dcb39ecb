import pytest
import torch

from lib.engine.guard import StepGuard
from lib.utils.errors import TrainingError


def losses(value):
    return {"loss": torch.tensor(value), "push": torch.tensor(value), "pull": torch.tensor(0.5)}


def test_answer_comes_one_step_late():
    guard = StepGuard(torch.device("cpu"))
    guard.post(1, losses(1.0), [3], stop=True)
    assert not guard.stop
    assert guard.settle()


def test_wish_to_stop_is_kept():
    guard = StepGuard(torch.device("cpu"))
    guard.post(1, losses(1.0), [3], stop=True)
    guard.settle()
    guard.post(2, losses(1.0), [4], stop=False)
    assert guard.settle()


def test_nothing_posted_is_no_wish():
    assert not StepGuard(torch.device("cpu")).settle()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_loss_that_is_not_finite_names_step_losses_and_samples(value):
    guard = StepGuard(torch.device("cpu"), "number {}".format)
    guard.post(7, losses(value), [11, 5], stop=False)
    with pytest.raises(TrainingError) as caught:
        guard.settle()
    for part in ("step 7", f"push {value:g}", "pull 0.5", "number 11, number 5"):
        assert part in str(caught.value)
