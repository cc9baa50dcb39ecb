import pytest
import torch
from tinyrcnn import tiny_rcnn
from torch import nn

from lib.models import load_pretrained
from lib.models.heads.deconv import DeconvHead
from lib.models.heads.fahead import FAHead, SumHead
from lib.models.heads.heatmap import HeatmapHead
from lib.models.heads.higher import HigherHead
from lib.models.heads.rtmcc import RTMCCHead
from lib.models.heads.simcc import simcc_head
from lib.models.heads.subpixel import SubPixelHead
from lib.models.heads.upsample import UpsampleHead
from lib.models.joints import joint_channels, named_joints, same_head, transfer_joints
from lib.models.registry import PrefixMap
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import WeightsError

COCO = load_skeleton("coco").joints
# Nine joints in an order of their own: seven of COCO's, two spelled differently, and two new ones.
NINE = (
    "tail", "right_wrist", "nose", "left_hip", "LAnkle",
    "antler", "right_shoulder", "shoulder_l", "left_eye",
)  # fmt: skip
OF_COCO = [-1, 10, 0, 11, 15, -1, 6, 5, 1]
KEPT = [k for k, old in enumerate(OF_COCO) if old >= 0]
FRESH = [k for k, old in enumerate(OF_COCO) if old < 0]
WIDTHS, STRIDES, SIZE = (6, 5, 4), (4, 8, 16), (48, 32)


class Sample(nn.Module):
    """Three maps that the head reads; no weights."""

    def forward(self, images):
        torch.manual_seed(5)
        shapes = [(2, c, SIZE[1] // s, SIZE[0] // s) for c, s in zip(WIDTHS, STRIDES, strict=True)]
        return [torch.randn(shape) for shape in shapes]


class Net(nn.Module):
    key_map = PrefixMap(())

    def __init__(self, make, joints):
        super().__init__()
        self.backbone = Sample()
        self.head = make(WIDTHS, STRIDES, joints)

    def forward(self):
        return self.head(self.backbone(None))


HEADS = {
    "heatmap": lambda c, s, k: HeatmapHead(c, s, k, kernel=3),
    "deconv": lambda c, s, k: DeconvHead(c, s, k, filters=(7, 8), kernels=(4, 4)),
    "upsample": lambda c, s, k: UpsampleHead(c, s, k),
    "fahead": FAHead,
    "sumhead": SumHead,
    "subpixel": lambda c, s, k: SubPixelHead(c, s, k, out_stride=2),
    "bilinear": lambda c, s, k: SubPixelHead(c, s, k, out_stride=2, upsampling="bilinear"),
    "rtmcc": lambda c, s, k: RTMCCHead(c, s, k, input_size=SIZE, bins=(9, 11), hidden=8, shared=4),
    "simcc": lambda c, s, k: simcc_head(c, s, k, input_size=SIZE, bins=(9, 11)),
    "simcc_deconv": lambda c, s, k: simcc_head(
        c, s, k, input_size=SIZE, bins=(9, 11), filters=(7,), kernels=(4,)
    ),
    "higher": lambda c, s, k: HigherHead(c, s, k, channels=(7,), blocks=1),
    "one_tag": lambda c, s, k: HigherHead(c, s, k, channels=(7,), blocks=1, tag_per_joint=False),
}


def network(kind, joints, seed):
    torch.manual_seed(seed)
    built = Net(HEADS[kind], joints).eval()
    for value in [*built.parameters(), *built.buffers()]:
        if value.is_floating_point():
            nn.init.uniform_(value, 0.1, 1.0)
    return built


def outputs(built):
    found = built()
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("recorded", [True, False])
def test_joints_of_the_same_name_are_predicted_as_before(kind, recorded, caplog):
    """Also from files that name no joints: seventeen are COCO's."""
    old, new = network(kind, 17, 1), network(kind, 9, 2)
    fresh = {name: value.clone() for name, value in new.state_dict().items()}
    content = {"state_dict": old.state_dict(), **({"meta": {"joints": COCO}} if recorded else {})}
    report = load_pretrained(new, content, joints=NINE)

    assert not report.mismatched
    assert not report.missing
    if kind != "rtmcc":  # its joints look at one another
        for stage, (before, now) in enumerate(zip(outputs(old), outputs(new), strict=True)):
            if not (stage and kind in ("higher", "one_tag")):  # reads all joints of the one before
                torch.testing.assert_close(now[:, KEPT], before[:, [OF_COCO[k] for k in KEPT]])
    for name, (axis, labels) in joint_channels(new, NINE).items():
        for channel in (labels.index(label) for label in labels if "tail" in label):
            here, there = (state[name].movedim(axis, 0) for state in (new.state_dict(), fresh))
            assert torch.equal(here[channel], there[channel])
    assert "7 joints keep their outputs" in caplog.text
    assert "2 start fresh: tail, antler" in caplog.text
    assert ("taken for those of coco, the file names none" in caplog.text) is not recorded


@pytest.mark.parametrize("kind", ["higher", "one_tag"])
def test_tags_and_the_readers_of_maps_and_tags_go_with_their_joints(kind):
    old, new = network(kind, 17, 1), network(kind, 9, 2)
    fresh = new.head.deconv_layers[0][0][0].weight.detach().clone()
    load_pretrained(new, old.state_dict(), joints=NINE)
    before = old.head.deconv_layers[0][0][0].weight
    now = new.head.deconv_layers[0][0][0].weight
    assert torch.equal(now[:6], before[:6])  # features
    for k, old_k in enumerate(OF_COCO):
        wanted = before[6 + old_k] if old_k >= 0 else fresh[6 + k]
        assert torch.equal(now[6 + k], wanted)
    rows, old_rows = (n.head.final_layers[0].weight for n in (new, old))
    if kind == "one_tag":
        assert torch.equal(rows[9], old_rows[17])
        assert torch.equal(now[15], before[23])
    else:
        assert torch.equal(rows[9 + 2], old_rows[17 + 0])
        assert torch.equal(now[6 + 9 + 2], before[6 + 17 + 0])


def test_the_one_stage_head_keeps_columns_of_its_transposed_convolution():
    old, new = tiny_rcnn(joints=17, seed=1), tiny_rcnn(joints=9, seed=2)
    names = [n for n in new.state_dict() if "kps_score_lowres" in n]
    fresh = {name: new.state_dict()[name].clone() for name in names}
    report = load_pretrained(new, {"model": old.state_dict(), "meta": {"joints": COCO}}, (), NINE)
    assert not report.mismatched
    for name in names:
        axis = 1 if name.endswith("weight") else 0
        now, before, start = (
            state[name].movedim(axis, 0) for state in (new.state_dict(), old.state_dict(), fresh)
        )
        for k, old_k in enumerate(OF_COCO):
            assert torch.equal(now[k], before[old_k] if old_k >= 0 else start[k])


def test_the_same_number_of_joints_in_another_order_is_put_in_order():
    old, new = network("heatmap", 17, 1), network("heatmap", 17, 2)
    turned = COCO[::-1]
    load_pretrained(new, {"state_dict": old.state_dict(), "meta": {"joints": turned}}, joints=COCO)
    assert torch.equal(new.head.final_layer.weight, old.head.final_layer.weight.flip(0))


def test_a_file_without_names_and_of_the_same_size_is_loaded_as_it_is(caplog):
    old, new = network("heatmap", 17, 1), network("heatmap", 17, 2)
    names = [f"point{k}" for k in range(17)]
    load_pretrained(new, old.state_dict(), joints=names)
    assert torch.equal(new.head.final_layer.weight, old.head.final_layer.weight)
    assert "start fresh" not in caplog.text


@pytest.mark.parametrize(("count", "name"), [(16, "mpii"), (14, "crowdpose"), (133, "wholebody")])
def test_the_number_of_joints_tells_the_skeleton_of_a_file_without_names(count, name, caplog):
    old, new = network("heatmap", count, 1), network("heatmap", 9, 2)
    load_pretrained(new, old.state_dict(), joints=NINE)
    assert f"taken for those of {name}" in caplog.text
    wrist = load_skeleton(name).joints.index("right_wrist")
    assert torch.equal(new.head.final_layer.weight[1], old.head.final_layer.weight[wrist])


def test_a_number_that_tells_nothing_leaves_the_head_to_start_fresh(caplog):
    old, new = network("deconv", 19, 1), network("deconv", 9, 2)
    start = new.head.final_layer.weight.detach().clone()
    report = load_pretrained(new, old.state_dict(), joints=NINE)
    assert report.mismatched == ["head.final_layer.weight", "head.final_layer.bias"]
    assert torch.equal(new.head.final_layer.weight, start)


def test_no_namesake_is_said(caplog):
    old, new = network("deconv", 17, 1), network("deconv", 2, 2)
    report = load_pretrained(new, old.state_dict(), joints=["fin", "tail"])
    assert report.mismatched == ["head.final_layer.weight", "head.final_layer.bias"]
    assert "no joint has a namesake in the file" in caplog.text
    assert "2 start fresh: fin, tail" in caplog.text


def test_layers_that_are_not_asked_for_are_left_alone(caplog):
    old, new = network("deconv", 17, 1), network("deconv", 9, 2)
    start = new.head.final_layer.weight.detach().clone()
    with pytest.raises(WeightsError, match="nothing in it fits"):
        load_pretrained(new, old.state_dict(), ["backbone"], NINE)
    assert torch.equal(new.head.final_layer.weight, start)
    assert "keep their outputs" not in caplog.text


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_of_the_same_kind_goes_with_the_trunk_where_that_is_asked_for(kind):
    old, new = network(kind, 17, 1), network(kind, 9, 2)
    assert same_head(new, old.state_dict())
    load_pretrained(new, old.state_dict(), ["backbone", "same_head"], NINE)
    for name, (axis, labels) in joint_channels(new, NINE).items():
        if "nose" in labels:
            there = joint_channels(old, COCO)[name][1].index("nose")
            now, before = (s.state_dict()[name].movedim(axis, 0) for s in (new, old))
            assert torch.equal(now[labels.index("nose")], before[there])


def test_another_head_stays_behind_with_the_trunk_alone():
    old, new = network("heatmap", 17, 1), network("rtmcc", 17, 2)
    assert not same_head(new, old.state_dict())
    start = new.head.final_layer.bias.detach().clone()
    state = {**old.state_dict(), "backbone.x": torch.zeros(1)}
    with pytest.raises(WeightsError, match="nothing in it fits"):
        load_pretrained(new, state, ["backbone", "same_head"], COCO)
    assert torch.equal(new.head.final_layer.bias, start)


def test_a_centre_is_one_more_joint():
    old, new = network("higher", 18, 1), network("higher", 10, 2)
    load_pretrained(new, {"state_dict": old.state_dict(), "meta": {"joints": COCO}}, joints=NINE)
    assert torch.equal(new.head.final_layers[1].weight[9], old.head.final_layers[1].weight[17])
    assert torch.equal(new.head.final_layers[1].weight[2], old.head.final_layers[1].weight[0])


@pytest.mark.parametrize("count", [15, 18])
def test_outputs_without_names_are_no_centre_unless_the_network_has_one(count):
    """OpenPose's 18 joints have a neck in their midst, and no centre."""
    old, new = network("heatmap", count, 1), network("heatmap", 9, 2)
    assert transfer_joints(new, old.state_dict(), NINE, {}) is None
    old, new = network("higher", 18, 1), network("higher", 10, 2)
    assert transfer_joints(new, old.state_dict(), NINE, {}).assumed == "coco"


def test_other_shapes_than_the_joints_explain_stay_as_they_are():
    old, new = network("heatmap", 17, 1), network("heatmap", 9, 2)
    state = old.state_dict()
    state["head.final_layer.weight"] = torch.zeros(17, 7, 3, 3)
    transfer = transfer_joints(new, state, NINE, {})
    assert transfer.tensors.keys() == {"head.final_layer.bias"}


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"meta": {"joints": ["a", "b"]}}, ("a", "b")),
        ({"meta": {"dataset_meta": {"keypoint_id2name": {1: "b", 0: "a"}}}}, ("a", "b")),
        ({"meta": {"joints": 17}}, ()),
        ({"meta": {"dataset_meta": {"keypoint_id2name": None}}}, ()),
        ({"meta": "text"}, ()),
        ({}, ()),
    ],
)
def test_where_files_name_their_joints(content, wanted):
    assert named_joints(content) == wanted
