"""Parts of a user's own that declare something else than they give."""

import pytest
import torch
from modelcfg import model_cfg
from torch import nn

from lib.config import load_config
from lib.config.defaults import default_config
from lib.models import build_model
from lib.models.registry import BACKBONES, HEADS, RECIPES
from lib.utils.errors import ConfigError

SIZES = "MODEL.IMAGE_SIZE=[66, 96]", "MODEL.HEATMAP_SIZE=[22, 32]", "MODEL.NUM_JOINTS=5"


class Trunk(nn.Module):
    """One convolution per stride."""

    def __init__(self, strides=(3, 6), says=(3, 6), widths=(4, 7), fails=False):
        super().__init__()
        pairs = zip(strides, (4, 7), strict=False)
        self.layers = nn.ModuleList(nn.Conv2d(3, width, n, n) for n, width in pairs)
        self.out_channels, self.out_strides, self.fails = tuple(widths), tuple(says), fails

    def forward(self, images):
        if self.fails:
            raise OSError("only on other machines")
        self.dropped = torch.rand(3)  # a part may draw numbers
        return [layer(images) for layer in self.layers]


class Head(nn.Module):
    """A convolution of the finest map, perhaps not what it says."""

    gives = "heatmaps"

    def __init__(
        self,
        in_channels,
        in_strides,
        num_joints,
        more=0,
        factor=1,
        form="tensor",
        stride=True,
        **rest,
    ):
        super().__init__()
        self.layer = nn.Conv2d(in_channels[0], num_joints + more, 1)
        self.factor, self.form = factor, form
        if stride:
            self.out_stride = in_strides[0]

    def forward(self, maps):
        found = self.layer(maps[0])
        found = nn.functional.interpolate(found, scale_factor=float(self.factor))
        return {"tensor": found, "pair": [found, found], "first": found[0], "word": "maps"}[
            self.form
        ]


@pytest.fixture(autouse=True)
def own(monkeypatch):
    monkeypatch.setitem(BACKBONES._entries, "trunk", Trunk)
    monkeypatch.setitem(HEADS._entries, "head", Head)


@pytest.fixture
def build(tmp_path):
    def build(backbone=None, head=None, device="cpu", **model):
        parts = {"NAME": "posenet", "BACKBONE": "trunk", "HEAD": "head", **model}
        extra = {"BACKBONE": backbone or {}, "HEAD": head or {}}
        path = tmp_path / "own.yaml"
        path.write_text(f"MODEL: {parts | {'EXTRA': extra}}\n")
        with torch.device(device):
            return build_model(load_config(path, SIZES))

    return build


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_strides_need_not_be_powers_of_two(build, device):
    network = build(device=device)
    assert network(torch.zeros(2, 3, 96, 66, device=device)).shape == (2, 5, 32, 22)


def test_trying_draws_no_number(build):
    torch.manual_seed(3)
    build()
    after = torch.rand(1)
    torch.manual_seed(3)
    build(backbone={"FAILS": True})  # no number is drawn before it fails
    assert torch.rand(1) == after


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"backbone": {"WIDTHS": [9, 7]}},
            r"BACKBONE 'trunk' .Trunk. declares out_channels .9, 7. and .* a list of maps "
            r".\(9, 32, 22\), \(7, 16, 11\). .* for images of 66 x 96, but gives .\(4, 32, 22\), ",
        ),
        ({"backbone": {"STRIDES": [3]}}, r"but gives .\(4, 32, 22\).\."),
        ({"backbone": {"SAYS": [3, 3]}}, r"but gives .\(4, 32, 22\), \(7, 16, 11\)"),
        ({"backbone": {"SAYS": [3.0, 6.0]}}, "declares out_strides .* must be whole numbers, one"),
        ({"backbone": {"SAYS": []}}, "must be whole numbers, one per map"),
        (
            {"head": {"MORE": 1}},
            r"head of posenet .Head. gives one tensor .6, 32, 22. for images of 66 x 96, but "
            r"MODEL.TARGET_TYPE 'gaussian' reads heatmaps .5, 32, 22.",
        ),
        ({"head": {"FACTOR": 2}}, r"gives one tensor .5, 64, 44."),
        ({"head": {"FORM": "pair"}}, r"gives .\(5, 32, 22\), \(5, 32, 22\). for"),
        ({"head": {"FORM": "first"}}, r"gives a tensor .5, 32, 22. for"),
        ({"head": {"FORM": "word"}}, "gives something else than batches of tensors"),
    ],
)
def test_wrong_declarations_are_sentences(build, parts, words):
    with pytest.raises(ConfigError, match=words):
        build(**parts)


def test_what_cannot_be_tried_is_left_to_the_training(build):
    network = build(backbone={"FAILS": True, "WIDTHS": [9, 7]})
    with pytest.raises(OSError, match="other machines"):
        network(torch.zeros(1, 3, 96, 66))


def test_a_head_without_a_stride(build):
    with pytest.raises(ConfigError, match=r"posenet .Head. must declare out_stride, .* says None"):
        build(head={"STRIDE": False})


def test_a_network_of_ones_own(monkeypatch):
    """Not composed of three parts; only its answer is looked at."""
    own = nn.Conv2d(3, 5, 3, 3)
    recipe = RECIPES["pose_hrnet"]
    kind = type(recipe)(task="topdown", extra=recipe.extra, build=lambda model: own, key_map=None)
    monkeypatch.setitem(RECIPES._entries, "own", kind)
    sizes = {"IMAGE_SIZE": [66, 96], "HEATMAP_SIZE": [22, 32]}
    cfg = load_config_of(model_cfg("own", 5, **sizes))
    assert build_model(cfg) is own
    with pytest.raises(ConfigError, match=r"head of own .Conv2d. gives one tensor .5, 32, 22."):
        build_model(load_config_of(model_cfg("own", 4, **sizes)))


def load_config_of(cfg):
    """Return default settings with the ``MODEL`` of ``cfg``."""
    whole = default_config()
    whole.MODEL = cfg.MODEL
    whole.MODEL.SIGMA = 2
    return whole


def test_arguments_get_the_types_of_their_defaults(build):
    network = build(backbone={"STRIDES": "[3, 6]", "FAILS": "no"}, head={"ANY": 3})
    assert network.backbone.fails is False
    with pytest.raises(ConfigError, match=r"BACKBONE.FAILS must be true or false, got 'mabe'"):
        build(backbone={"FAILS": "mabe"})
    with pytest.raises(ConfigError, match=r"takes no FAIL\. Did you mean FAILS"):
        build(backbone={"FAIL": True})


def test_a_constructor_that_fails(build, monkeypatch):
    def fail(self, **_):
        raise KeyError("width")

    monkeypatch.setattr(Trunk, "__init__", fail)
    with pytest.raises(ConfigError, match=r"'trunk': Trunk of .*test_trial.py fails in line"):
        build()
