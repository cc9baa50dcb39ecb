"""Plain transformer: layers by number, rates of stochastic depth, sizes."""

import pytest
import torch
from modelcfg import model_cfg
from torch import nn

from lib.models import build_model, load_pretrained
from lib.models.backbones.vit import ViT
from lib.models.cost import complexity

TINY = {"embed_dim": 24, "depth": 3, "num_heads": 4, "mlp_ratio": 2}
SIZE = (32, 48)


def test_one_map_at_a_sixteenth():
    network = ViT(SIZE, **TINY).eval()
    (found,) = network(torch.randn(2, 3, 48, 32))
    assert found.shape == (2, 24, 3, 2)
    assert (network.out_channels, network.out_strides) == ((24,), (16,))


def test_tokens_are_counted_row_by_row():
    """A change of one patch's position must show first in the row and column of that patch."""
    network = ViT(SIZE, **TINY).eval()
    network.blocks = nn.ModuleList()
    images = torch.zeros(1, 3, 48, 32)
    with torch.no_grad():
        before = network(images)[0]
        network.pos_embed[0, 3] += torch.arange(24.0)  # row 1, column 1 of 3 x 2
        changed = (network(images)[0] - before).abs().amax(dim=1)[0] > 1e-3
    assert changed.nonzero().tolist() == [[1, 1]]


def test_attention_is_the_textbooks():
    network = ViT(SIZE, **TINY).eval()
    attention = network.blocks[0].attn
    tokens = torch.randn(2, 5, 24)
    q, k, v = attention.qkv(tokens).split(24, dim=2)
    wanted = torch.empty(2, 5, 24)
    for head in range(4):
        rows = slice(6 * head, 6 * head + 6)
        scores = q[..., rows] @ k[..., rows].transpose(1, 2) / 6**0.5
        wanted[..., rows] = scores.softmax(dim=-1) @ v[..., rows]
    torch.testing.assert_close(attention(tokens), attention.proj(wanted), atol=1e-6, rtol=1e-5)


def test_layers_by_number():
    network = ViT(SIZE, **TINY)
    assert network.num_layers == 4
    wanted = {
        "pos_embed": 0,
        "patch_embed.proj.weight": 0,
        "blocks.0.norm1.weight": 1,
        "blocks.2.mlp.fc2.bias": 3,
        "last_norm.weight": 4,
    }
    assert {name: network.layer_id(name) for name in wanted} == wanted
    numbers = {network.layer_id(name) for name, _ in network.named_parameters()}
    assert numbers == {0, 1, 2, 3, 4}
    assert network.no_weight_decay() == ["pos_embed"]


def test_drop_path_grows_from_nothing():
    rates = [block.drop_path.rate for block in ViT(SIZE, **TINY, drop_path=0.3).blocks]
    assert rates == pytest.approx([0, 0.15, 0.3])


def test_initialisation():
    network = ViT(SIZE, embed_dim=96, depth=2, num_heads=4)
    linear = network.blocks[1].mlp.fc1
    assert linear.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not linear.bias.any()
    assert network.pos_embed.std().item() == pytest.approx(0.02, rel=0.15)
    assert network.patch_embed.proj.bias.any()  # PyTorch's default


def test_products_of_attention_are_counted():
    with torch.device("meta"):
        network = ViT(SIZE, **TINY)
    assert complexity(network, (48, 32)).attention_macs == 2 * 3 * 6**2 * 24


@pytest.mark.parametrize(
    ("size", "change", "words"),
    [
        ((32, 40), {}, "multiples of 16"),
        (SIZE, {"num_heads": 5}, "24 channels cannot be split among 5 heads"),
        (None, {}, "one size only"),
    ],
)
def test_impossible_sizes(size, change, words):
    with pytest.raises(ValueError, match=words):
        ViT(size, **{**TINY, **change})


def test_images_of_another_size():
    with pytest.raises(ValueError, match="takes images of 32 x 48 pixels, got 48 x 32"):
        ViT(SIZE, **TINY)(torch.zeros(1, 3, 32, 48))


def test_files_of_encoders_fit_in_a_composition():
    """Positions of a square classifier with a class token, kernels of smaller patches."""
    extra = {"BACKBONE": {"EMBED_DIM": 24, "DEPTH": 1, "NUM_HEADS": 4}, "HEAD": {"FACTOR": 4}}
    sizes = {"IMAGE_SIZE": [96, 128], "HEATMAP_SIZE": [24, 32]}
    network = build_model(model_cfg("posenet", 5, extra, BACKBONE="vit", HEAD="upsample", **sizes))
    own = {k.removeprefix("backbone."): v for k, v in network.state_dict().items()}
    state = {k: torch.randn_like(v) for k, v in own.items() if k.startswith(("blocks", "patch"))}
    state["pos_embed"] = torch.randn(1, 1 + 14 * 14, 24)
    state["patch_embed.proj.weight"] = torch.randn(24, 3, 14, 14)
    report = load_pretrained(network, {"model": state})
    assert not report.mismatched
    assert {"backbone.pos_embed", "backbone.patch_embed.proj.weight"} <= set(report.loaded)
    assert not network.backbone.patch_embed.proj.weight[..., 0].any()
