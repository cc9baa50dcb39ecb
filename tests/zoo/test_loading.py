"""Every published file of the index: names and shapes as published fill our network completely."""

import pytest
import torch
from golden import golden_input, mmpose_golden, plus_state
from layouts import published_layout

from lib.config import load_config
from lib.models import build_model, load_pretrained, load_weights
from lib.tasks import build_task
from lib.zoo.index import EXPERIMENTS, load_index

pytestmark = pytest.mark.filterwarnings("ignore:.*which is a no-op")
INDEX = load_index()
# Without a network here: why is in their note, or their experiment stands for another network.
WITHOUT = {"hrnet_w32_coco_256x192_udp_regress", "davit_tiny_imagenet"}
# What a trunk of ours has and no classifier does, by the beginning of the file's name.
OURS = {
    "efficientnet": "backbone.fuse.",
    "tf_efficientnet": "backbone.fuse.",
    "vit_": "backbone.last_norm.",  # trained for the classifier, not taken over: as published
    "hrnet_w18_small_v1": "backbone.layer1.",  # half as wide
    "hrnet_w18_small_v2": "backbone.layer1.",  # two blocks less
}


def cases(use):
    """Yield the entries; all but the first of each kind are slow."""
    known = set()
    for entry in INDEX.weights.values():
        if entry.use != use or entry.name in WITHOUT or entry.speaks_for_itself:
            continue
        kind = (entry.name.partition("_")[0], entry.layout, entry.note)
        marks = [pytest.mark.slow] if kind in known else []
        known.add(kind)
        yield pytest.param(entry, id=entry.name, marks=marks)


def built(entry):
    cfg = load_config(entry.yaml, entry.settings)
    with torch.device("meta"):
        return cfg, build_model(cfg)


@pytest.mark.parametrize("entry", list(cases("pose")))
def test_a_pose_file_fills_everything(entry):
    cfg, network = built(entry)
    report = load_weights(network, {"state_dict": published_layout(entry, network)})
    assert (report.missing, report.unexpected, report.mismatched) == ([], [], [])
    assert report.filled == 1
    assert build_task(cfg).skeleton.num_joints == entry.joints


@pytest.mark.parametrize("entry", list(cases("trunk")))
def test_start_weights_fill_the_trunk(entry):
    cfg, network = built(entry)
    layers = cfg.MODEL.EXTRA.get("PRETRAINED_LAYERS", ["*"])
    state = {"state_dict": published_layout(entry, network)}
    report = load_pretrained(network, state, layers)
    ours = tuple(start for name, start in OURS.items() if entry.name.startswith(name))
    assert report.unexpected == []
    assert [name for name in report.mismatched if not name.startswith(ours)] == []
    trunk = [name for name in report.missing if name.startswith("backbone.")]
    assert [name for name in trunk if not name.startswith(ours)] == []


@pytest.mark.slow
def test_start_weights_without_an_experiment_fill_timms_trunk():
    import timm

    words = ["MODEL.EXTRA.BACKBONE.NAME=davit_tiny.msft_in1k"]
    cfg = load_config(EXPERIMENTS / "coco/posenet/convnext_tiny_efem_256x192.yaml", words)
    with torch.device("meta"):
        network = build_model(cfg)
        theirs = timm.create_model("davit_tiny.msft_in1k")
    report = load_pretrained(network, {"state_dict": theirs.state_dict()})
    assert (report.unexpected, report.mismatched) == ([], [])
    assert not [name for name in report.missing if name.startswith("backbone.")]


@pytest.mark.parametrize("entry", list(cases("detector")))
def test_a_detector_is_one_of_torchvisions(entry):
    from torchvision.models import get_model_weights

    assert get_model_weights(entry.network).DEFAULT.url == entry.url


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("mm_hrnet_w32", "hrnet_w32_coco_256x192"),
        ("mm_resnet50", "poseresnet50_coco_256x192"),
        ("mm_ae_hrnet_w32", "hrnet_w32_ae_coco_512"),
        ("mm0_higherhrnet_w32", "higher_hrnet_w32_coco_512"),
        ("vitpose_s_classic", "vitpose_s_coco"),
        ("vitpose_s_simple", "vitpose_s_simple_coco"),
        ("rtmpose_t", "rtmpose_t_coco_256x192"),
        ("simcc_res50", "simcc_resnet50_coco_256x192"),
    ],
)
def test_the_layouts_are_those_of_the_references(reference, name, shared):
    shapes, _ = mmpose_golden(shared, reference)
    entry = INDEX.find(name)
    found = published_layout(entry, built(entry)[1])
    joined = {key.replace("keypoint_head.", "head."): list(v.shape) for key, v in found.items()}
    wanted = {key.replace("keypoint_head.", "head."): value for key, value in shapes.items()}
    assert {k: v for k, v in joined.items() if not k.startswith("data_pre")} == wanted


@pytest.mark.parametrize(
    ("reference", "name", "size"),
    [
        ("mm_hrnet_w32", "hrnet_w32_coco_256x192", (256, 192)),
        ("mm_resnet50", "poseresnet50_coco_256x192", (256, 192)),
        ("mm_ae_hrnet_w32", "hrnet_w32_ae_coco_512", (256, 256)),
        ("mm0_higherhrnet_w32", "higher_hrnet_w32_coco_512", (256, 256)),
    ],
)
def test_outputs_are_those_of_the_references(reference, name, size, shared):
    shapes, outputs = mmpose_golden(shared, reference)
    entry = INDEX.find(name)
    network = build_model(load_config(entry.yaml, entry.settings)).eval()
    load_weights(network, {"state_dict": plus_state(shapes)})
    with torch.no_grad():
        found = network(golden_input(*size))
    maps = [found] if isinstance(found, torch.Tensor) else found
    for value, (key, wanted) in zip(split(maps, list(outputs)), outputs.items(), strict=True):
        if "mm0" in reference:  # every third value is stored
            value = value.reshape(-1)[::3]
        assert value.shape == wanted.shape, key
        assert (value - wanted).abs().max() <= 1e-4 * wanted.std(), key


def split(maps, names):
    """Return heatmaps and tags apart where the reference has them so."""
    return [maps[0][:, :17], maps[0][:, 17:]] if names[:2] == ["heatmaps", "tags"] else maps
