"""ViTPose: published sizes and outputs, every layout of its files, starting from encoders."""

import json

import numpy as np
import pytest
import torch
from golden import golden_input, mmpose_golden, plus_state
from modelcfg import model_cfg

from lib.config import load_config
from lib.models import build_model, load_pretrained, load_weights, to_official
from lib.models.recipes.vitpose_keys import VitPoseKeys, to_mmpose, to_transformers
from lib.utils.errors import ConfigError, WeightsError

TINY = {"EMBED_DIM": 24, "DEPTH": 2, "NUM_HEADS": 4, "NUM_DECONV_FILTERS": [8, 6]}
TENSORS = {"s": (163, 151), "b": (163, 151), "l": (307, 295), "h": (403, 391)}


def tiny(size=(96, 128), **extra):
    sizes = {"IMAGE_SIZE": list(size), "HEATMAP_SIZE": [side // 4 for side in size]}
    return build_model(model_cfg("vitpose", 5, {**TINY, **extra}, **sizes)).eval()


@pytest.mark.parametrize("decoder", ["classic", "simple"])
def test_output_equals_the_reference(decoder, shared):
    shapes, outputs = mmpose_golden(shared, f"vitpose_s_{decoder}")
    network = build_model(model_cfg("vitpose", 17, {"DECODER": decoder})).eval()
    state = plus_state(shapes)
    load_weights(network, {"state_dict": state})
    with torch.no_grad():
        found = network(golden_input(256, 192))
    wanted = outputs["heatmaps"]
    assert (found - wanted).abs().max() <= 1e-4 * wanted.std()
    back = to_mmpose(network.state_dict())
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)


@pytest.mark.parametrize("layout", ["original", "transformers"])
@pytest.mark.parametrize("decoder", ["classic", "simple"])
def test_the_class_tokens_position_is_added(layout, decoder, shared):
    shapes, _ = mmpose_golden(shared, f"vitpose_s_{decoder}")
    network = build_model(model_cfg("vitpose", 17, {"DECODER": decoder}))
    load_weights(network, plus_state(shapes))
    write = to_transformers if layout == "transformers" else to_official_state
    state = write(network.state_dict())
    names = f"vitpose_s_{decoder}.{layout}.keys.json"
    published = json.loads((shared / "golden" / "mmpose" / names).read_text())
    assert {key: list(value.shape) for key, value in state.items()} == published
    table = next(key for key in state if "position" in key or "pos_embed" in key)
    state[table] = state[table] - 0.25
    state[table][:, 0] = 0.25
    again = build_model(model_cfg("vitpose", 17, {"DECODER": decoder}))
    load_weights(again, state)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[key], value, atol=1e-6, rtol=0)


def to_official_state(state):
    return VitPoseKeys().to_official(state)


@pytest.mark.parametrize("write", [to_official_state, to_mmpose, to_transformers])
def test_there_and_back_in_every_layout(write):
    network = tiny()
    own = network.state_dict()
    again = tiny()
    report = load_weights(again, write(own))
    assert len(report.loaded) == len(own)
    assert not report.unexpected
    assert all(torch.equal(again.state_dict()[key], value) for key, value in own.items())


def test_our_own_files_pass_unchanged():
    network = tiny()
    again = tiny()
    load_weights(again, network.state_dict())
    assert torch.equal(again.backbone.pos_embed, network.backbone.pos_embed)
    assert to_official(network)["backbone.pos_embed"].shape == (1, 1 + 8 * 6, 24)


def test_another_input_size_resizes_the_positions(caplog):
    caplog.set_level("INFO")
    small, large = tiny(), tiny((144, 192))
    load_weights(large, small.state_dict())
    assert large.backbone.pos_embed.shape == (1, 12 * 9, 24)
    assert "positions of (8, 6) patches to (12, 9)" in caplog.text
    load_weights(large, to_official(small))  # with a class token's entry: 49 could be 7 x 7
    flat = torch.nn.functional.interpolate(
        small.backbone.pos_embed.unflatten(1, (8, 6)).permute(0, 3, 1, 2),
        size=(12, 9),
        mode="bicubic",
    )
    torch.testing.assert_close(large.backbone.pos_embed, flat.flatten(2).transpose(1, 2))


def encoder_file(patch):
    """Return the file of an MAE encoder of a square classifier."""
    own = {k.removeprefix("backbone."): v for k, v in tiny().state_dict().items()}
    state = {k: torch.randn_like(v) for k, v in own.items() if k.startswith(("blocks", "patch"))}
    state["pos_embed"] = torch.randn(1, 1 + 14 * 14, 24)
    state["pos_embed"][:, 0] = 0
    state["patch_embed.proj.weight"] = torch.randn(24, 3, patch, patch)
    return {**state, "cls_token": torch.randn(1, 1, 24), "norm.weight": torch.full((24,), 3.0)}


@pytest.mark.parametrize("patch", [16, 14])
def test_start_from_an_encoder(patch):
    network = tiny()
    state = encoder_file(patch)
    report = load_pretrained(network, {"model": state}, ["backbone"])
    assert not report.mismatched
    backbone = network.backbone
    assert torch.equal(backbone.blocks[1].attn.qkv.weight, state["blocks.1.attn.qkv.weight"])
    assert torch.equal(backbone.last_norm.weight, torch.ones(24))  # not the encoder's norm
    inner = slice(1, 15) if patch == 14 else slice(0, 16)
    kernel = backbone.patch_embed.proj.weight
    assert torch.equal(kernel[..., inner, inner], state["patch_embed.proj.weight"])
    if patch == 14:
        assert not kernel[..., 0, :].any()
        assert not kernel[..., 15].any()
    assert {name.partition(".")[0] for name in report.missing} <= {"head", "backbone"}
    assert "head.final_layer.weight" in report.missing


@pytest.mark.parametrize("expert", [0, 2])
def test_one_expert_of_several(expert):
    network = tiny(EXPERT=expert)
    state = to_official(network)
    wanted = {key: value.clone() for key, value in network.state_dict().items()}
    plus = {"backbone.cls_token": torch.zeros(1, 1, 24)}
    for key, value in state.items():
        if ".mlp.fc2." in key:
            plus[key] = value[:18]
            for number in range(6):
                own = value[18:] if number == expert else torch.randn_like(value[18:])
                plus[key.replace(".fc2.", f".experts.{number}.")] = own
        elif key.startswith("keypoint_head."):
            inner = key.removeprefix("keypoint_head.")
            for number in range(6):
                start = f"associate_keypoint_heads.{number - 1}." if number else "keypoint_head."
                own = value if number == expert else torch.randn(7, *value.shape[1:])
                plus[start + inner] = own
        else:
            plus[key] = value
    again = tiny(EXPERT=expert)
    load_weights(again, plus)
    assert all(torch.equal(again.state_dict()[key], value) for key, value in wanted.items())
    with pytest.raises(WeightsError, match="no expert 7"):
        load_weights(tiny(EXPERT=7), plus)


@pytest.mark.parametrize("name", TENSORS)
def test_entries_of_the_state(name):
    for decoder, count in zip(("", "_simple"), TENSORS[name], strict=True):
        cfg = load_config(f"experiments/coco/vitpose/vitpose_{name}{decoder}_256x192.yaml")
        with torch.device("meta"):
            assert len(build_model(cfg).state_dict()) == count


def test_decoder_starts_small_and_the_encoder_as_published():
    network = build_model(model_cfg("vitpose", 17))
    assert network.head.deconv_layers[0].weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert not network.head.final_layer.bias.any()
    assert network.backbone.blocks[0].attn.qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"DECODER": "clasic"}, "DECODER must be classic or simple, got 'clasic'"),
        ({"NUM_HEADS": 5}, "cannot be split among 5 heads"),
    ],
)
def test_mistakes_get_a_sentence(extra, words):
    with pytest.raises(ConfigError, match=words):
        tiny(**extra)


def test_layers_for_rates_equal_the_references(shared):
    """Every tensor's factor r^(L + 1 - n), from the layer numbers that the backbone declares."""
    table = json.loads((shared / "golden" / "mmpose" / "training.json").read_text())
    with torch.device("meta"):
        network = build_model(model_cfg("vitpose", 17))
    backbone = network.backbone
    names = to_mmpose(dict(network.named_parameters()))
    ours = [name for name, _ in network.named_parameters()]
    factors = table["vitpose_s_classic"]["parameters"]
    assert set(names) == set(factors)
    for name, theirs in zip(ours, names, strict=True):
        inner = name.removeprefix("backbone.")
        number = backbone.num_layers if inner == name else backbone.layer_id(inner)
        assert 0.8 ** (backbone.num_layers - number) == pytest.approx(
            np.float64(factors[theirs][0])
        )
