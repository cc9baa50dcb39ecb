import copy
import json
import re

import pytest
import torch
from torch import nn
from toys.same import assert_same
from toys.toy_task import ToyNet, ToyTask, toy_config
from yacs.config import CfgNode

from lib.config import load_config
from lib.engine import fit
from lib.engine.freezing import Freezing, build_freezing
from lib.engine.plan import build_plan
from lib.models import build_model
from lib.tasks import build_task
from lib.utils.errors import ConfigError

STAND_STILL = ("conv.", "norm.")


def freezing_of(network, **keys):
    cfg = toy_config(**keys)
    return build_freezing(cfg, network, build_plan(cfg, 5))


def parts_of(state, names=STAND_STILL):
    return {name: value for name, value in state.items() if name.startswith(names)}


class Watched(ToyTask):
    """Notes at every step what is in training mode and what is differentiated."""

    def __init__(self, **keys):
        super().__init__(**keys)
        self.seen = []

    def build_model(self):
        network = super().build_model()
        network.norm.register_forward_hook(self._note)
        return network

    def _note(self, module, inputs, output):
        if torch.is_grad_enabled():
            self.seen.append((module.training, output.requires_grad))


def run(task, folder, **keys):
    """Train; return the state dict at the start and what the last checkpoint holds."""
    start = {}
    cfg = toy_config(**{"WD": 0.1, "OPTIMIZER": "adamw", **keys})
    fit(
        cfg,
        task,
        folder,
        initialise=lambda network: start.update(copy.deepcopy(network).state_dict()),
    )
    return start, torch.load(folder / "checkpoint.pth", weights_only=True)


@pytest.mark.parametrize("extra", [{}, {"EMA": 0.9, "ACCUMULATE": 2, "END_EPOCH": 8}])
def test_what_is_frozen_is_bit_equal_after_twenty_steps_and_not_differentiated(tmp_path, extra):
    task = Watched()
    start, end = run(task, tmp_path, FREEZE=["conv", "norm"], **extra)
    assert end["step"] >= 20
    assert_same(parts_of(end["state_dict"]), parts_of(start))
    assert int(end["state_dict"]["norm.num_batches_tracked"]) == 0
    if end["ema"]:
        assert_same(parts_of(end["ema"]), parts_of(start))
    assert not torch.equal(end["state_dict"]["out.weight"], start["out.weight"])
    assert set(task.seen) == {(False, False)}  # also after evaluations
    assert sum(len(group["params"]) for group in end["optimizer"]["param_groups"]) == 3


@pytest.mark.parametrize("keys", [{"EMA": 0.8}, {"MAX_ITER": 20, "EVAL_PERIOD": 5}])
def test_a_part_thaws_at_its_epoch_or_iteration(tmp_path, keys):
    until = 10 if "MAX_ITER" in keys else 2
    task = Watched()
    start, end = run(task, tmp_path, FREEZE=["conv", "norm"], FREEZE_UNTIL=until, **keys)
    assert task.seen == [(False, False)] * 10 + [(True, True)] * 10
    for name, value in parts_of(end["state_dict"]).items():
        assert not torch.equal(value, start[name]), name
    assert int(end["state_dict"]["norm.num_batches_tracked"]) == 10


def test_a_frozen_middle_passes_gradients_on(tmp_path):
    start, end = run(ToyTask(), tmp_path, FREEZE=["norm"])
    assert_same(parts_of(end["state_dict"], ("norm.",)), parts_of(start, ("norm.",)))
    assert not torch.equal(end["state_dict"]["conv.weight"], start["conv.weight"])


def test_a_module_stands_still_where_all_its_parameters_do():
    network = ToyNet()
    freezing_of(network, FREEZE=["norm.*"]).train(network, 0)
    assert not network.norm.training
    assert network.drop.training
    freezing_of(network, FREEZE=["*.weight"]).train(network, 0)
    assert network.norm.training  # its shift is trained


def test_modules_without_parameters_stand_still_with_what_holds_them():
    network = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Dropout()), nn.Linear(3, 2))
    freezing_of(network, FREEZE=["0"]).train(network, 0)
    assert [network[0].training, network[0][1].training, network[1].training] == [
        False,
        False,
        True,
    ]


def test_what_the_network_never_trains_keeps_no_part_in_training():
    """Drop path beside a batch norm that the trunk freezes itself, in a frozen stage."""
    network = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Dropout()), nn.Linear(3, 2))
    network[0][0].bias.requires_grad_(False)
    freezing_of(network, FREEZE=["0.0.weight"]).train(network, 0)
    assert not network[0][1].training
    assert network[1].training


def test_what_the_network_never_trains_is_not_thawed():
    network = ToyNet()
    network.conv.weight.requires_grad_(False)
    freezing = freezing_of(network, FREEZE=["conv"], FREEZE_UNTIL=1)
    freezing.apply(network, 0)
    assert not network.conv.bias.requires_grad
    freezing.apply(network, 5)
    assert network.conv.bias.requires_grad
    assert not network.conv.weight.requires_grad


def test_nothing_asked_for_freezes_nothing():
    network = ToyNet()
    freezing = freezing_of(network, MODEL__FREEZE_STAGES=0)
    assert freezing == Freezing()
    assert not freezing.holds(0)
    assert not freezing.thaws(0)


@pytest.mark.parametrize("until", [0, 3])
def test_freezing_everything_is_refused(tmp_path, until):
    with pytest.raises(ConfigError, match=r"leave nothing to train; .*'conv', 'norm'"):
        run(ToyTask(), tmp_path, FREEZE=["*"], FREEZE_UNTIL=until)


def test_a_pattern_that_means_nothing_stops_the_run_before_it_begins(tmp_path):
    with pytest.raises(ConfigError, match=r"TRAIN\.FREEZE: 'backbone' matches no parameter"):
        run(ToyTask(), tmp_path, FREEZE=["backbone"])
    with pytest.raises(ConfigError, match=r"TRAIN\.FREEZE: '3' matches no parameter"):
        run(ToyTask(), tmp_path, FREEZE=[3])
    assert not (tmp_path / "checkpoint.pth").exists()


def test_a_resumed_run_with_other_groups_says_what_must_stay(tmp_path):
    run(ToyTask(), tmp_path, FREEZE=["conv"], END_EPOCH=1)
    with pytest.raises(ConfigError, match=r"optimiser does not fit .*FREEZE, LR_MULT"):
        run(ToyTask(), tmp_path, END_EPOCH=2, RESUME=True)


NAMES = {
    "resnet": "conv1.weight bn1.bias layer1.0.bn1.bias layer2.0.w layer3.0.w layer4.0.w",
    "hrnet": "conv1.w layer1.0.w transition1.0.w stage2.0.w transition2.0.w stage3.0.w stage4.0.w",
    "eff": "conv_stem.w blocks.0.0.w blocks.1.0.w blocks.2.0.w blocks.3.0.w extra.w fuse.w",
    "timm": "trunk.stem_0.w trunk.stages_0.blocks.0.w trunk.stages_1.blocks.0.w trunk.stages_2.w",
}


class Named(nn.Module):
    """A network whose backbone has parameters of given names, and a head."""

    def __init__(self, names):
        super().__init__()
        self.backbone = nn.Module()
        for name in names.split():
            *path, leaf = name.split(".")
            module = self.backbone
            for part in path:
                if part not in dict(module.named_children()):
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            module.register_parameter(leaf, nn.Parameter(torch.zeros(1)))
        self.head = nn.Linear(1, 1)


@pytest.mark.parametrize(
    ("kind", "count", "first_trained"),
    [
        ("resnet", 1, "layer2.0.w"),
        ("resnet", 3, "layer4.0.w"),
        ("resnet", 4, None),
        ("hrnet", 1, "stage2.0.w"),
        ("hrnet", 2, "stage3.0.w"),
        ("eff", 2, "blocks.2.0.w"),
        ("eff", 4, "extra.w"),
        ("timm", 2, "trunk.stages_2.w"),
    ],
)
def test_stages_of_the_lineages_key(kind, count, first_trained):
    network = Named(NAMES[kind])
    names = [f"backbone.{name}" for name in NAMES[kind].split()]
    wanted = names[: names.index(f"backbone.{first_trained}")] if first_trained else names
    for whole in (False, True):  # both keys: the stages
        found = freezing_of(network, MODEL__FREEZE_STAGES=count, MODEL__FREEZE_BACKBONE=whole)
        assert found.names == set(wanted)
    assert freezing_of(network, MODEL__FREEZE_BACKBONE=True).names == set(names)


def test_a_stage_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match=r"FREEZE_STAGES 5: .* stages are \[1, 2, 3, 4\];"):
        freezing_of(Named(NAMES["resnet"]), MODEL__FREEZE_STAGES=5)
    with pytest.raises(ConfigError, match=r"FREEZE_STAGES 1: .* are not numbered; name what"):
        freezing_of(ToyNet(), MODEL__FREEZE_STAGES=1)
    with pytest.raises(ConfigError, match=r"MODEL\.FREEZE_BACKBONE: 'backbone' matches no"):
        freezing_of(ToyNet(), MODEL__FREEZE_BACKBONE=True)


@pytest.mark.parametrize(
    ("experiment", "frozen", "trained"),
    [
        ("eeffpose/eeffposep0_256x192_adam_lr1e-3", r"conv_stem|bn1|blocks\.[01]\.", r"blocks\.2"),
        (
            "hrnet/w32_256x192_adam_lr1e-3",
            r"conv[12]|bn[12]|layer1|stage2|transition[12]",
            "stage3",
        ),
        ("vitpose/vitpose_s_256x192", r"patch_embed|pos_embed|blocks\.[01]\.", r"blocks\.2\."),
        ("keypoint_rcnn/r50_fpn_3x", r"body\.(conv1|bn1|layer[12])", r"body\.layer3"),
    ],
)
def test_stages_of_real_backbones(experiment, frozen, trained):
    cfg = load_config(f"experiments/coco/{experiment}.yaml", ["MODEL.FREEZE_STAGES=2"])
    with torch.device("meta"):
        network = build_model(cfg)
    names = build_freezing(cfg, network, build_plan(cfg, 7)).names
    assert names
    assert all(re.match(rf"backbone\.(?:{frozen})", name) for name in names)
    left = {n for n, p in network.named_parameters() if p.requires_grad} - names
    assert any(re.match(rf"backbone\.{trained}", name) for name in left)
    assert not any(re.match(rf"backbone\.(?:{frozen})", name) for name in left)


@pytest.mark.slow
def test_a_frozen_trunk_of_a_real_network_stands_still(tiny_config, tmp_path, caplog):
    caplog.set_level("INFO")
    cfg = load_config(
        tiny_config, ["TRAIN.FREEZE=[backbone]", "TRAIN.MAX_ITER=20", "TRAIN.EVAL_PERIOD=0"]
    )
    start = {}
    fit(
        cfg,
        build_task(cfg),
        tmp_path / "run",
        initialise=lambda n: start.update(copy.deepcopy(n).state_dict()),
    )
    end = torch.load(tmp_path / "run" / "checkpoint.pth", weights_only=True)["state_dict"]
    assert_same(parts_of(end, ("backbone.",)), parts_of(start, ("backbone.",)))
    assert not torch.equal(end["head.final_layer.weight"], start["head.final_layer.weight"])
    assert "frozen     backbone\n" in caplog.text
    assert json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[-1])["step"] == 20


def test_multipliers_and_frozen_parts_stand_in_one_configuration(tmp_path):
    node = CfgNode({"out": 0.5})
    _, end = run(ToyTask(), tmp_path, FREEZE=["conv"], LR_MULT=node, END_EPOCH=1)
    rates = {g["initial_lr"]: len(g["params"]) for g in end["optimizer"]["param_groups"]}
    assert rates.keys() == {0.01, 0.005}
