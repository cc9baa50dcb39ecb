"""timm's networks as trunks: sizes, names in files, pixels, what a user may get wrong."""

import pytest
import timm
import torch
from modelcfg import declared, model_cfg

from lib.models import build_model, load_pretrained, trunk_pixels
from lib.models.backbones.timm_trunk import TimmTrunk
from lib.structures.pixels import Pixels
from lib.utils.errors import ConfigError

SIZE = (96, 128)  # width, height
FAMILIES = {
    "convnext_atto": (4, 8, 16, 32),
    "tf_efficientnet_lite0": (2, 4, 8, 16, 32),
    "mobilenetv3_small_050": (2, 4, 8, 16, 32),
    "swin_tiny_patch4_window7_224": (4, 8, 16, 32),
    "hrnet_w18_small": (2, 4, 8, 16, 32),
    "fastvit_t8": (4, 8, 16, 32),
}


def cfg_of(name, head=None, part="deconv", **backbone):
    extra = {"BACKBONE": {"NAME": name, **backbone}, "HEAD": head or {"FILTERS": [8, 8, 8]}}
    sizes = {"IMAGE_SIZE": list(SIZE), "HEATMAP_SIZE": [24, 32]}
    return model_cfg("posenet", 5, extra, BACKBONE="timm", HEAD=part, **sizes)


@pytest.mark.parametrize("name", FAMILIES)
def test_strides_channels_shapes_and_counts_are_timms(name):
    with torch.device("meta"):
        trunk = TimmTrunk(name, input_size=SIZE).eval()
        sized = {"img_size": (128, 96)} if "swin" in name else {}
        reference = timm.create_model(name, features_only=True, **sized).eval()
        maps = trunk(torch.zeros(2, 3, 128, 96))
    assert trunk.out_strides == FAMILIES[name] == tuple(reference.feature_info.reduction())
    assert trunk.out_channels == tuple(reference.feature_info.channels())
    assert [tuple(m.shape) for m in maps] == declared(trunk, 2, 128, 96)
    count = sum(p.numel() for p in trunk.parameters())
    assert count == sum(p.numel() for p in reference.parameters())


@pytest.mark.parametrize("name", [*FAMILIES, "vit_tiny_patch16_224", "resnetv2_50"])
def test_names_of_timms_files_and_back(name):
    with torch.device("meta"):
        trunk = TimmTrunk(name, input_size=SIZE)
        whole = timm.create_model(name).state_dict()
    own = trunk.state_dict()
    official = trunk.key_map.to_official(own)
    assert set(official) <= set(whole)
    assert trunk.key_map.from_official(official).keys() == own.keys()
    translated = trunk.key_map.from_official(whole)
    assert set(own) <= set(translated)


def test_maps_equal_those_of_the_network_that_a_file_belongs_to():
    whole = timm.create_model("convnext_atto").eval()
    network = build_model(cfg_of("convnext_atto")).eval()
    report = load_pretrained(network, whole.state_dict())
    assert not [key for key in report.missing if key.startswith("backbone.")]
    images = torch.randn(2, 3, 128, 96)
    with torch.no_grad():
        wanted = whole.forward_intermediates(images, intermediates_only=True)
        assert all(map(torch.equal, network.backbone(images), wanted))


def test_window_transformers_give_channels_first_with_contents_kept():
    trunk = TimmTrunk("swin_tiny_patch4_window7_224", input_size=SIZE).eval()
    images = torch.randn(1, 3, 128, 96)
    with torch.no_grad():
        plain = trunk.trunk(images)
        assert all(
            torch.equal(a.permute(0, 2, 3, 1), b) for a, b in zip(trunk(images), plain, strict=True)
        )


def test_plain_transformer_gives_its_normed_last_map():
    whole = timm.create_model("vit_tiny_patch16_224", img_size=(128, 96), num_classes=0).eval()
    trunk = TimmTrunk("vit_tiny_patch16_224", input_size=SIZE).eval()
    official = trunk.key_map.from_official(whole.state_dict())
    trunk.load_state_dict(official)
    images = torch.randn(2, 3, 128, 96)
    with torch.no_grad():
        tokens = whole.forward_features(images)[:, 1:]
        (found,) = trunk(images)
    assert trunk.out_strides == (16,)
    torch.testing.assert_close(found, tokens.transpose(1, 2).unflatten(2, (8, 6)))


def test_tables_of_positions_are_resized_to_the_images():
    network = build_model(
        cfg_of("vit_tiny_patch16_224", head={"FILTERS": [8, 8], "KERNELS": [4, 4]})
    )
    report = load_pretrained(network, timm.create_model("vit_tiny_patch16_224").state_dict())
    assert not report.mismatched
    assert "backbone.trunk.model.pos_embed" in report.loaded
    assert network.backbone.trunk.model.pos_embed.shape == (1, 1 + 8 * 6, 192)


def test_tables_of_windows_are_resized_where_the_map_is_smaller():
    network = build_model(cfg_of("swin_tiny_patch4_window7_224"))
    name = "swin_tiny_patch4_window7_224"
    report = load_pretrained(network, timm.create_model(name).state_dict())
    assert not report.mismatched
    assert not [key for key in report.missing if key.startswith("backbone.")]


def test_chosen_maps():
    with torch.device("meta"):
        trunk = TimmTrunk("mobilenetv3_small_050", out_indices=[-2, 1])
        assert trunk.out_strides == (4, 16)
        assert [x.shape[1] for x in trunk(torch.zeros(1, 3, 64, 64))] == list(trunk.out_channels)
        blocks = TimmTrunk("vit_tiny_patch16_224", out_indices=[3, 11])
    assert blocks.out_strides == (16, 16)


def test_drop_path_reaches_the_last_block():
    with torch.device("meta"):
        trunk = TimmTrunk("convnext_atto", drop_path=0.25)
    rates = [m.drop_prob for m in trunk.modules() if type(m).__name__ == "DropPath"]
    assert max(rates) == pytest.approx(0.25)


def test_frozen_batch_norm_stays_as_loaded():
    network = build_model(cfg_of("mobilenetv3_small_050", FREEZE_BN=True)).train()
    norms = [m for m in network.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)
    assert not any(p.requires_grad for norm in norms for p in norm.parameters())
    assert all(m.training for m in network.head.modules())
    before = norms[0].running_mean.clone()
    network(torch.randn(2, 3, 128, 96)).sum().backward()
    assert torch.equal(before, norms[0].running_mean)
    unfrozen = build_model(cfg_of("mobilenetv3_small_050")).train().backbone.trunk.bn1
    assert unfrozen.training
    assert unfrozen.weight.requires_grad


@pytest.mark.parametrize("init", [True, False])
def test_fresh_head_starts_small_and_the_trunk_as_timm_draws_it(init):
    cfg = cfg_of("convnext_atto")
    cfg.MODEL.INIT_WEIGHTS = init
    torch.manual_seed(3)
    network = build_model(cfg)
    torch.manual_seed(3)
    drawn = timm.create_model("convnext_atto", features_only=True)
    assert all(map(torch.equal, network.backbone.trunk.parameters(), drawn.parameters()))
    assert network.head.final_layer.weight.std() < 0.003
    assert not network.head.final_layer.bias.any()


def test_pixels_are_those_of_the_trunk():
    half = Pixels((0.5,) * 3, (0.5,) * 3, rgb=True)
    assert trunk_pixels(cfg_of("tf_efficientnet_lite0").MODEL) == half
    assert trunk_pixels(cfg_of("convnext_atto").MODEL) == Pixels(rgb=True)
    named = cfg_of("convnext_atto")
    named.MODEL.EXTRA.PIXELS.STD = [0.1, 0.2, 0.3]
    assert trunk_pixels(named.MODEL) == Pixels(std=(0.1, 0.2, 0.3), rgb=True)
    resnet = model_cfg("posenet", BACKBONE="resnet", HEAD="deconv")
    assert trunk_pixels(resnet.MODEL) == trunk_pixels(model_cfg("pose_resnet").MODEL) == Pixels()
    named.MODEL.EXTRA.PIXELS.MEAN = [0.1]
    with pytest.raises(ConfigError, match=r"EXTRA.PIXELS: .*three entries"):
        trunk_pixels(named.MODEL)


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        ({"NAME": ""}, "NAME is empty"),
        ({"NAME": "convnext_atoo"}, "Did you mean convnext_atto"),
        ({"NAME": "vit_tiny_patch16_224.nix"}, "its weights are augreg_in21k"),
        ({"NAME": "convnext_atto", "OUT_INDICES": [7]}, "between -4 and 3"),
        ({"NAME": "vit_tiny_patch16_224", "OUT_INDICES": [40]}, "out of range"),
        ({"NAME": "hrnet_w18_small", "DROP_PATH": 0.1}, "no drop path"),
        ({"NAME": "nest_tiny"}, "no feature maps for images of .96, 128"),
        ({"NAME": 3}, "timm has no network '3'"),
        ({"NAME": "convnext_atto", "OUT_INDICES": "last"}, "must be whole numbers, got .'last'"),
        # What these say in forward only:
        (
            {"NAME": "efficientformer_l1"},
            "timm's efficientformer_l1 cannot take images of 96 x 128",
        ),
        ({"NAME": "inception_v3"}, r"out_strides .2, 4.* but gives ..64, 61, 45"),
        ({"NAME": "convnext_atto", "PRETRAINED": "x"}, "takes no PRETRAINED"),
    ],
)
def test_mistakes_get_a_sentence(backbone, words):
    with pytest.raises(ConfigError, match=words):
        build_model(cfg_of(**{"name": backbone.pop("NAME"), **backbone}))


def test_a_rate_that_timm_passes_over_is_refused(monkeypatch):
    def ignoring(name, drop_path_rate=0.0, **options):  # as timm 1.0.17 does for HRNet
        return create(name, **options)

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", ignoring)
    with pytest.raises(ValueError, match="hrnet_w18_small has no drop path; leave DROP_PATH out"):
        TimmTrunk("hrnet_w18_small", drop_path=0.1)


def test_strided_stem_of_fastvit_gives_the_same_and_survives_training_on_the_cpu():
    torch.manual_seed(3)
    trunk = TimmTrunk("fastvit_t8").eval()
    torch.manual_seed(3)
    plain = timm.create_model("fastvit_t8", features_only=True).eval()
    images = torch.randn(2, 3, 64, 96).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        for found, wanted in zip(trunk(images), plain(images), strict=True):
            assert (found - wanted).abs().max() <= 1e-4 * wanted.std()
    conv = trunk.train().to(memory_format=torch.channels_last).trunk.stem_0.conv_scale.conv
    trunk(images)[-1].sum().backward()
    assert conv.weight.grad.isfinite().all()
