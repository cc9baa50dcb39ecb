import pytest
import torch

from lib.models.necks.tfneck import TFNeck


@pytest.mark.parametrize(
    ("inputs", "channels", "layers"),
    [
        ((40, 112, 320), 64, (342_256, 219_888, 219_888)),
        ((48, 120, 352), 112, (862_372, *[626_724] * 4)),
    ],
)
def test_published_sizes_by_layer(inputs, channels, layers):
    with torch.device("meta"):
        neck = TFNeck(inputs, (4, 8, 16), channels=channels, repeats=len(layers)).eval()
    assert [sum(p.numel() for p in layer.parameters()) for layer in neck.layers] == list(layers)
    assert neck.out_channels == (channels,) * 3
    assert neck.out_strides == (4, 8, 16)
    assert {layer.drop_path.drop_prob for layer in neck.layers} == {0.2}
    maps = [torch.empty(2, c, 24 // 2**i, 16 // 2**i, device="meta") for i, c in enumerate(inputs)]
    shapes = [tuple(x.shape) for x in neck(maps)]
    assert shapes == [(2, channels, 24, 16), (2, channels, 12, 8), (2, channels, 6, 4)]


def test_refuses_strides_and_sizes_that_do_not_double():
    with pytest.raises(ValueError, match="strides that double"):
        TFNeck((8, 8), (4, 16))
    neck = TFNeck((8, 8), (4, 8), channels=8, repeats=1)
    with pytest.raises(ValueError, match=r"TFNeck needs .* multiples of 8 pixels, got 36 x 32"):
        neck([torch.zeros(1, 8, 8, 9), torch.zeros(1, 8, 4, 5)])
