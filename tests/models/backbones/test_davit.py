"""DaViT against another implementation of it, and how it joins HRNet."""

import pytest
import torch
from modelcfg import declared

from lib.models.backbones.davit import DaViT, FusedHRNet
from lib.models.backbones.multires import Stage, Stem

SMALL = {"embed_dims": (8, 16, 24, 32), "num_heads": (2, 4, 6, 4), "depths": (1, 1, 2, 1)}


def small(**kwargs):
    torch.manual_seed(0)
    return DaViT(**{**SMALL, **kwargs})


def test_levels():
    network = small()
    maps = network(torch.rand(2, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == declared(network, 2, 64, 96)


def test_sizes_that_do_not_divide_are_rounded_up():
    assert [tuple(m.shape[2:]) for m in small()(torch.rand(1, 3, 36, 50))] == [
        (9, 13),
        (5, 7),
        (3, 4),
        (2, 2),
    ]


def test_drop_rates_grow_block_by_block():
    network = DaViT(drop_path_rate=0.1)
    rates = [
        block.drop_path.rate for level in network.main_blocks for layer in level for block in layer
    ]
    assert rates == pytest.approx([0.1 * i / 11 for i in range(12)])


@pytest.mark.parametrize("size", [(64, 96), (128, 128)])
def test_equals_timm(size):
    davit = pytest.importorskip("timm.models.davit")
    ours = small().eval()
    other = davit.DaVit(
        depths=SMALL["depths"],
        embed_dims=SMALL["embed_dims"],
        num_heads=SMALL["num_heads"],
        window_size=7,
        num_classes=0,
    ).eval()
    names = {_timm_name(key): value for key, value in ours.state_dict().items()}
    norms = {key for key in names if key.startswith("norm")}
    missing, unexpected = other.load_state_dict(
        {key: value for key, value in names.items() if key not in norms}, strict=False
    )
    assert not unexpected
    assert all(key.startswith(("norm_pre", "head")) for key in missing), missing
    images = torch.rand(2, 3, *size)
    with torch.no_grad():
        x, wanted = other.stem(images), []
        for level, stage in enumerate(other.stages):
            x = stage(x)
            norm = ours.get_submodule(f"norm{level}")
            wanted.append(norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        for got, want in zip(ours(images), wanted, strict=True):
            torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


def _timm_name(key):
    kind, *rest = key.split(".")
    tail = ".".join(rest[1:])
    if kind == "patch_embeds":
        tail = tail.replace("proj", "conv")
        return f"stem.{tail}" if rest[0] == "0" else f"stages.{rest[0]}.downsample.{tail}"
    if kind == "main_blocks":
        tail = tail.replace("cpe.0", "cpe1").replace("cpe.1", "cpe2")
        return f"stages.{rest[0]}.blocks.{tail}"
    return key


def fused(**kwargs):
    stages = [
        Stage(1, (1,) * 2, (4, 8)),
        Stage(1, (1,) * 3, (4, 8, 12)),
        Stage(1, (1,) * 4, (4, 8, 12, 16)),
    ]
    return FusedHRNet(stages, small(**kwargs), stem=Stem(8, "BASIC", 1, 8))


def test_each_level_joins_the_newest_branch():
    network = fused()
    assert network.conv_128.weight.shape == (8, 8 + 8, 3, 3)
    assert network.conv_64.weight.shape == (8, 8 + 16, 3, 3)
    assert network.conv_32.weight.shape == (12, 12 + 24, 3, 3)
    assert network.conv_16.weight.shape == (16, 16 + 32, 3, 3)
    seen = []
    network.conv_32.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network.davit.register_forward_hook(lambda module, inputs, maps: seen.append(maps[2]))
    network(torch.rand(1, 3, 64, 96))
    assert torch.equal(seen[1][:, 12:], seen[0])  # HRNet's channels first, then DaViT's


def test_fusion_is_not_rectified():
    torch.manual_seed(1)
    network = fused()
    assert network.inject(0, torch.rand(2, 8, 5, 7), [torch.rand(2, 8, 5, 7)]).min() < 0


def test_maps_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="fusion 0: HRNet's map is"):
        fused().inject(0, torch.rand(1, 8, 5, 7), [torch.rand(1, 8, 5, 6)])


def test_other_strides_are_refused():
    with pytest.raises(ValueError, match="strides"):
        fused(patch_size=2)
