import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from toys.ranks import launch, train
from toys.toy_task import ToyTask, toy_config

from lib.config import load_config
from lib.engine import fit
from lib.engine.recomputing import describe_recomputed, recompute_stages
from lib.models import build_model
from lib.models.recompute import Recomputed, stages
from lib.utils.errors import ConfigError

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


class Stages(nn.Module):
    recomputable = ("layer?.*",)

    def __init__(self):
        super().__init__()
        self.layer1 = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        self.layer2 = nn.Sequential(nn.Linear(2, 2))
        self.last = nn.Linear(2, 2)


def network():
    return nn.ModuleDict({"backbone": Stages(), "head": nn.Linear(2, 2)})


def recomputed(net):
    return [name for name, part in net.named_modules() if isinstance(part, Recomputed)]


@pytest.mark.parametrize(
    ("patterns", "wanted", "told"),
    [
        ([], [], "nothing"),
        (["backbone.layer2"], ["layer2.0"], "1 stage(s), of backbone.layer2"),
        (["*.layer1.1"], ["layer1.1"], "1 stage(s), of backbone.layer1"),
        (
            ["*"],
            ["layer1.0", "layer1.1", "layer2.0"],
            "3 stage(s), of backbone.layer1, backbone.la",
        ),
    ],
)
def test_patterns_choose_among_the_stages_and_the_summary_names_them(patterns, wanted, told):
    net = network()
    recompute_stages(toy_config(RECOMPUTE=patterns), net)
    assert recomputed(net) == [f"backbone.{name}" for name in wanted]
    assert describe_recomputed(net).startswith(told)


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("backbone.last", r"'backbone.last' means none of the network's 3 stages, backbone.layer1"),
        ("backbone.layer3", r"Did you mean backbone.layer2"),
        ("head", "means none"),
    ],
)
def test_pattern_without_a_stage_is_one_sentence(pattern, complaint):
    with pytest.raises(ConfigError, match=rf"TRAIN.RECOMPUTE: .*{complaint}"):
        recompute_stages(toy_config(RECOMPUTE=["*", pattern]), network())


def test_parts_that_name_no_stages_are_told_how_to():
    with pytest.raises(ConfigError, match=r"name no stages.*recomputable"):
        recompute_stages(toy_config(RECOMPUTE=["*"]), nn.Linear(2, 2))


def test_a_whole_run_ends_with_the_same_weights(tmp_path, caplog):
    caplog.set_level("INFO")
    states = []
    for number, patterns in enumerate([[], ["*"]]):
        cfg = toy_config(RECOMPUTE=patterns, EMA=0.9)
        folder = tmp_path / str(number)
        assert fit(cfg, ToyTask(), folder).finished
        states.append(torch.load(folder / "checkpoint.pth", weights_only=True))
    for part in ("state_dict", "optimizer"):
        assert_equal(states[0][part], states[1][part])
    assert "recomputed nothing" in caplog.text
    assert "recomputed 2 stage(s), of norm, drop" in caplog.text


def assert_equal(left, right):
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_equal(left[key], right[key])
    elif isinstance(left, torch.Tensor):
        assert torch.equal(left, right)
    else:
        assert left == right


def test_copies_keep_their_stages():
    net = network()
    recompute_stages(toy_config(RECOMPUTE=["*"]), net)
    assert recomputed(copy.deepcopy(net)) == recomputed(net)


def test_ranks_end_with_the_same_weights_too(tmp_path):
    for name, patterns in (("plain", []), ("twice", ["*"])):
        config = {"RECOMPUTE": patterns, "END_EPOCH": 2}
        answers = launch(train, 2, tmp_path / name, {}, config)
        assert all(answer[0] for answer in answers), answers
    plain, twice = (
        torch.load(tmp_path / name / "checkpoint.pth", weights_only=True)["state_dict"]
        for name in ("plain", "twice")
    )
    assert_equal(plain, twice)


@pytest.mark.parametrize("name", ["eeffposep0_256x192_adam_lr1e-3", "ablation/[[]000]*"])
def test_eeffpose_trains_so_by_its_own_recipe(name):
    cfg = load_config(next((EXPERIMENTS / "coco" / "eeffpose").glob(f"{name}.yaml")))
    with torch.device("meta"):
        network = build_model(cfg)
    recompute_stages(cfg, network)
    assert recomputed(network) == list(stages(network))
    assert len(recomputed(network)) > 10
