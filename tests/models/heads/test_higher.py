import pytest
import torch

from lib.models.heads.higher import HigherHead


def test_later_stages_read_the_map_and_the_prediction_before():
    torch.manual_seed(0)
    head = HigherHead((6, 9), (4, 8), 3, channels=(5, 7), kernels=(4, 2), blocks=1,
                      tag_stages=(True, False, True), cat=(True, False))  # fmt: skip
    maps = [torch.rand(2, 6, 8, 10), torch.rand(2, 9, 4, 5)]
    outputs = head(maps)
    assert [tuple(o.shape) for o in outputs] == [(2, 6, 8, 10), (2, 3, 16, 20), (2, 6, 32, 40)]
    assert head.out_strides == (4, 2, 1)
    first = head.deconv_layers[0](torch.cat([maps[0], outputs[0]], dim=1))
    torch.testing.assert_close(head.final_layers[1](first), outputs[1])
    torch.testing.assert_close(head.final_layers[2](head.deconv_layers[1](first)), outputs[2])


def test_the_prediction_passes_on_its_gradient():
    head = HigherHead((6,), (4,), 3, channels=(5,), blocks=0).eval()
    outputs = head([torch.rand(2, 6, 8, 10)])
    outputs[1].square().sum().backward()
    assert head.final_layers[0].bias.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"tag_stages": (True,)}, "make 2 stages"),
        ({"kernels": (4, 4)}, "one entry per doubling"),
        ({"channels": (5,) * 3, "kernels": (4,) * 3, "cat": (1,) * 3, "tag_stages": (1,) * 4},
         "cannot be halved"),
    ],
)  # fmt: skip
def test_lists_that_do_not_fit(kwargs, words):
    with pytest.raises(ValueError, match=words):
        HigherHead((6,), (4,), 3, **kwargs)
