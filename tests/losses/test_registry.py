import pytest
import torch
import yaml

from lib.codecs.base import build_codec, build_loss
from lib.config import load_config
from lib.losses.registry import LOSSES, loss
from lib.utils.errors import ConfigError
from lib.utils.losses import SAMPLES


@LOSSES.register("test: scaled")
@loss(SCALE=2.0)
def scaled(output, targets, weights, *, scale):
    return scale * ((output - targets).abs().mean(dim=(2, 3)) * weights).sum()


@LOSSES.register("test: parts")
@loss()
def parts(output, targets, weights):
    return {"near": output.mean(), "far": targets.mean()}


@LOSSES.register("test: map")
@loss()
def no_scalar(output, targets, weights):
    return output - targets


@LOSSES.register("test: broken")
@loss()
def broken(output, targets, weights):
    return output[:, 99]


@pytest.fixture
def build(tmp_path):
    def make(**node):
        file = tmp_path / "a.yaml"
        file.write_text(yaml.safe_dump({"LOSS": node}))
        cfg = load_config(file)
        return build_loss(cfg, build_codec(cfg))

    return make


def answers():
    output, targets = torch.zeros(2, 3, 5, 4), torch.ones(2, 3, 5, 4)
    return output, targets, torch.tensor([[1.0, 0, 0.5], [0, 0, 1]])


def test_a_loss_of_ones_own_gets_its_options_and_the_weights(build):
    assert build(NAME="test: scaled")(*answers())["test: scaled"].item() == 5
    found = build(NAME="test: scaled", OPTIONS={"SCALE": 3}, USE_TARGET_WEIGHT=False)(*answers())
    assert found["test: scaled"].item() == 18


def test_several_losses_keep_their_names(build):
    assert {k: v.item() for k, v in build(NAME="test: parts")(*answers()).items()} == {
        "near": 0,
        "far": 1,
    }


def test_without_a_name_it_is_the_codecs_own(build):
    output, targets, weights = answers()
    assert build()(output, targets, weights)["heatmap"].item() == pytest.approx(0.5 * 2.25 / 6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test: map", r"no_scalar must give a scalar tensor, .* got \[\(2, 3, 5, 4\)\]"),
        ("test: broken", r"broken of .*test_registry.py fails in line \d+: IndexError: index 99"),
    ],
)
def test_what_fails_is_named(build, name, message):
    with pytest.raises(ConfigError, match=message):
        build(NAME=name)(*answers())


def test_options_are_those_of_the_loss(build):
    with pytest.raises(ConfigError, match=r"LOSS.OPTIONS.SCALES"):
        build(NAME="test: scaled", OPTIONS={"SCALES": 3})
    with pytest.raises(ConfigError, match=r"LOSS.OPTIONS.SCALE\b"):
        build(OPTIONS={"SCALE": 3})


@LOSSES.register("test: people")
@loss(SHORT=False)
def with_people(output, targets, weights, *, short):
    people = (output - targets).square().mean(dim=(1, 2, 3))
    return {"square": people.mean(), SAMPLES: people[1:] if short else people}


def test_a_loss_of_ones_own_may_tell_what_each_person_loses(build):
    assert build(NAME="test: people")(*answers())[SAMPLES].tolist() == [1, 1]
    with pytest.raises(ConfigError, match=r"one number per person, 2 of them, got \(1,\)"):
        build(NAME="test: people", OPTIONS={"SHORT": True})(*answers())
