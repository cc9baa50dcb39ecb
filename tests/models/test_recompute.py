"""Stages that compute their activations twice: the same numbers to the bit, with less memory."""

import copy
from contextlib import nullcontext

import pytest
import torch
from modelcfg import model_cfg
from tinyrcnn import PLAIN, target, tiny_rcnn
from torch import nn

from lib.models import build_model
from lib.models.backbones.timm_trunk import TimmTrunk
from lib.models.recompute import Recomputed, recompute, stages

SIZE = (64, 96)  # width, height
STAGE = {"NUM_MODULES": 1, "NUM_BLOCKS": [1, 1], "NUM_CHANNELS": [8, 12]}
HR = {
    "STAGE1": {"NUM_BLOCKS": [2], "NUM_CHANNELS": [4]},
    "STAGE2": STAGE,
    "STAGE3": {"NUM_MODULES": 2, "NUM_BLOCKS": [1] * 3, "NUM_CHANNELS": [8, 12, 16]},
    "STAGE4": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 4, "NUM_CHANNELS": [8, 12, 16, 20]},
}
FORMER = {
    f"STAGE{number}": {
        **HR[f"STAGE{number}"],
        "NUM_HEADS": [1, 2, 4, 5][:number],
        "NUM_WINDOW_SIZES": [7] * number,
        "NUM_MLP_RATIOS": [2] * number,
    }
    for number in (2, 3, 4)
}
FORMER = {"DROP_PATH_RATE": 0.5, "STAGE1": HR["STAGE1"], **FORMER}
EEFF = {"TRUNK": "tf_efficientnet_lite0", "NECK_CHANNELS": 8, "NECK_REPEATS": 1, "DROP_PATH": 0.5}
CSP = {"DEEPEN_FACTOR": 0.167, "WIDEN_FACTOR": 0.125}
VIT = {"EMBED_DIM": 24, "DEPTH": 3, "NUM_HEADS": 2, "DROP_PATH": 0.5}


def posenet(backbone, arguments, head="deconv", neck="", **of_head):
    options = {"BACKBONE": arguments, "HEAD": of_head}
    return "posenet", options, {"BACKBONE": backbone, "HEAD": head, "NECK": neck}


def effpnet(kind):
    parts = dict.fromkeys(("BACKBONE_TYPE", "FPN_TYPE", "FINAL_TYPE"), kind)
    return "pose_effpnet", EEFF, {"BACKBONE": "tf_efficientdet_d0_ap", **parts}


# Family -> MODEL.NAME, EXTRA, other keys of MODEL.
FAMILIES = {
    "hrnet": ("pose_hrnet", HR, {}),
    "hrformer": ("pose_hrformer", FORMER, {}),
    "efenet": posenet("hrnet", {"WIDTH": 6, "MODULES": [1, 1, 1]}, "subpixel", "efem"),
    "resnet": ("pose_resnet", {"NUM_LAYERS": 18}, {}),
    "lpn": posenet("lpn", {"DEPTH": 18}, FILTERS=[8, 8], KERNELS=[4, 4]),
    "eeffpose": effpnet("Ours"),
    "effbase": effpnet(""),
    "higher": ("pose_higher_hrnet", HR, {"TAG_PER_JOINT": True}),
    "fusion": ("pose_higher_hrnet_davit", HR, {"TAG_PER_JOINT": True}),
    "vit": posenet("vit", VIT, FILTERS=[8, 8], KERNELS=[4, 4]),
    "cspnext": posenet("cspnext", CSP),
    "timm": posenet("timm", {"NAME": "resnet10t", "DROP_PATH": 0.5}),
}
STRIDES = {"efenet": 1}  # of the heatmaps; the others' is 4


def build(family):
    name, extra, model = FAMILIES[family]
    size = (64, 128) if family == "effbase" else SIZE  # BiFPN halves to 1/64
    cells = [side // STRIDES.get(family, 4) for side in size]
    sizes = {"IMAGE_SIZE": list(size), "HEATMAP_SIZE": cells}
    torch.manual_seed(0)
    network = build_model(model_cfg(name, 5, extra, **sizes, **model))
    with torch.no_grad():  # the family's start has hardly any gradient
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return network.train(), torch.rand(2, 3, size[1], size[0])


def squares(answer):
    if isinstance(answer, torch.Tensor):
        return answer.float().square().sum()
    parts = answer.values() if isinstance(answer, dict) else answer
    return sum(squares(part) for part in parts)


def train(network, *inputs, amp=False):
    """Return bytes kept for the backward pass, and everything a step leaves behind."""
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = tensor
        return tensor

    torch.manual_seed(1)
    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16) if amp else nullcontext(),
    ):
        loss = squares(network(*inputs))
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    size = sum(t.untyped_storage().nbytes() for place, t in kept.items() if place not in own)
    kept.clear()
    loss.backward()
    left = {"loss": loss.detach(), "random": torch.get_rng_state()}
    left |= {f"gradient of {name}": p.grad for name, p in network.named_parameters()}
    return size, left | {name: buffer.clone() for name, buffer in network.named_buffers()}


def assert_same_step(network, *inputs, amp=False, least=2):
    """Train one step with all stages recomputed and one without; return how much less is kept."""
    other = copy.deepcopy(network)
    for stage in stages(other).values():
        recompute(stage)
    assert sum(isinstance(part, Recomputed) for part in other.modules()) >= least
    (plain, wanted), (small, found) = (train(n, *inputs, amp=amp) for n in (network, other))
    assert list(wanted) == list(found)
    for name, value in wanted.items():
        same = found[name] is None if value is None else torch.equal(value, found[name])
        assert same, name
    return plain / small


@pytest.mark.parametrize("amp", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_keeps_less_and_trains_the_same(family, amp):
    network, images = build(family)
    assert assert_same_step(network, images, amp=amp) > 1.2


@pytest.mark.parametrize("changes", [{}, {"KEYPOINT": PLAIN}], ids=["gcm", "plain"])
def test_detector_trains_the_same(changes):
    network = tiny_rcnn(changes).train()
    images = [torch.rand(3, 96, 120), torch.rand(3, 88, 128)]
    boxes = [[[10.0, 12, 60, 80]], [[5.0, 6, 70, 70], [30.0, 20, 90, 84]]]
    targets = [target(rows, image_id=number) for number, rows in enumerate(boxes)]
    names = list(stages(network))
    assert names[0] == "backbone.body.layer1.0"
    assert names[-2:] == ["rpn.head", "roi_heads.keypoint_head"]
    assert assert_same_step(network, images, targets) > 1.2


@pytest.mark.parametrize(
    "name",
    ["vit_tiny_patch16_224", "hrnet_w18_small"]
    + [
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "convnext_atto", "efficientnet_b0", "levit_128s", "mobilenetv3_small_050",
            "regnetx_002", "swin_tiny_patch4_window7_224", "xcit_nano_12_p16_224",
        )
    ],
)  # fmt: skip
def test_trunks_of_timm_train_the_same(name):
    torch.manual_seed(0)
    network = TimmTrunk(name, input_size=SIZE).train()
    assert assert_same_step(network, torch.rand(2, 3, SIZE[1], SIZE[0])) > 1.5


def test_statistics_are_counted_once():
    stage = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 2, 1))
    recompute(stage)
    stage(torch.rand(2, 3, 7, 11)).sum().backward()
    assert stage[1].num_batches_tracked.item() == 1


def test_nothing_changes_in_evaluation():
    network, images = build("hrnet")
    recompute(stages(network)["backbone.stage3.1"])
    plain, _ = build("hrnet")
    sizes = [train(n.eval(), images)[0] for n in (network, plain)]
    assert sizes[0] == sizes[1]
    assert list(network.state_dict()) == list(plain.state_dict())


def test_export_does_not_see_it():
    stage = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), nn.ReLU())
    inputs = (torch.rand(2, 3, 7, 11),)
    plain = torch.export.export(stage.eval(), inputs)
    recompute(stage)
    again = torch.export.export(stage, inputs)
    targets = [[node.target for node in program.graph.nodes] for program in (plain, again)]
    assert len(targets[0]) == len(targets[1])
    assert targets[0][-4:-1] == targets[1][-4:-1]  # the others are names of inputs


def test_a_graph_can_be_differentiated_twice():
    stage = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.GELU(), nn.Dropout(0.5))
    plain = copy.deepcopy(stage)
    recompute(stage)
    found = []
    for part in (plain, stage):
        torch.manual_seed(0)
        x = torch.rand(7, 3)
        loss = part(x).square().sum()
        grads = [torch.autograd.grad(loss, part[0].weight, retain_graph=True) for _ in range(2)]
        assert torch.equal(*(grad[0] for grad in grads))
        found.append(grads[0][0])
        assert part[1].num_batches_tracked.item() == 1
    assert torch.equal(*found)


class Filling(nn.Module):
    """Puts its answers into the list that it was given."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])

    def forward(self, maps):
        for number, layer in enumerate(self.layers):
            maps[number] = layer(maps[number]).tanh()
        return maps


def test_stage_that_fills_its_list_is_fed_the_same_twice():
    torch.manual_seed(0)
    assert_same_step_of_one(Filling(), [torch.rand(2, 3), torch.rand(2, 3)])


def assert_same_step_of_one(stage, inputs):
    other = copy.deepcopy(stage)
    recompute(other)
    for part in (stage, other):
        squares(part(list(inputs))).backward()
    for name, parameter in stage.named_parameters():
        assert torch.equal(parameter.grad, other.get_parameter(name).grad), name


def test_input_that_is_changed_in_place_stops_the_training():
    torch.manual_seed(0)
    first, stage = nn.Linear(3, 3), Filling()
    recompute(stage)
    x = first(torch.rand(2, 3))
    loss = squares(stage([x, x]))
    x.add_(1)
    with pytest.raises(RuntimeError, match=r"in-?place"):
        loss.backward()


def test_stages_inside_stages_train_the_same():
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Tanh())
    stage = nn.Sequential(inner, nn.Linear(5, 3), nn.Tanh())
    other = copy.deepcopy(stage)
    recompute(other[0])
    recompute(other)
    (_, wanted), (_, found) = (train(n, torch.arange(21.0).reshape(7, 3)) for n in (stage, other))
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())


@pytest.mark.slow
def test_compiled_networks_train_the_same():
    stage = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 2, 3))
    network = nn.Sequential(nn.Conv2d(3, 3, 1), stage)
    other = copy.deepcopy(network)
    recompute(other[1])
    images = torch.rand(2, 3, 11, 13)
    squares(network(images)).backward()
    squares(torch.compile(other, backend="aot_eager")(images)).backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(other.get_parameter(name).grad, parameter.grad)
    assert other[1][1].num_batches_tracked.item() == 1
    torch.testing.assert_close(other[1][1].running_mean, stage[1].running_mean)
