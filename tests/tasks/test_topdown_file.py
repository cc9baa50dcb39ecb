"""Joints in pixels of the network's input and in those of the image are the same points."""

import pytest
import torch
from yacs.config import CfgNode

from lib.codecs.kinds.gaussian import GaussianCodec
from lib.codecs.kinds.udp import UdpCodec
from lib.structures.skeleton import load_skeleton
from lib.tasks.topdown_file import DecodedNetwork, crop_graph, frame_to_image, is_decoded
from lib.utils.errors import ConfigError, ExportError

SIZE = {"input_size": (48, 64), "heatmap_size": (12, 16), "sigma": 1.0}
CROPS = torch.tensor([[30.0, 40.0, 60.0, 80.0], [7.0, 9.0, 24.0, 32.0], [90.0, 5.0, 150.0, 200.0]])


@pytest.mark.parametrize("kind", [GaussianCodec, UdpCodec])
def test_the_way_over_the_input_leads_to_the_same_place(kind):
    codec = kind(**SIZE)
    places = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(0))
    places = 8 + places * torch.tensor([32, 48])
    maps, _ = codec.encode(places, torch.ones(3, 5))
    wanted, scores = codec.decode_to_image(maps, CROPS)
    points, values = DecodedNetwork(torch.nn.Identity(), codec, None)(maps)
    assert (points - places).abs().max() < 3  # a quarter cell is one pixel, rounding two
    torch.testing.assert_close(frame_to_image(points, CROPS, codec), wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(values, scores)


def test_mirrored_crops_are_averaged():
    codec = GaussianCodec(**SIZE)
    images = torch.rand(2, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([0, 2, 1])
    points, _ = DecodedNetwork(torch.nn.Identity(), codec, index)(images)
    merged = codec.merge_flipped(images, images.flip(3), index)
    wanted, _ = DecodedNetwork(torch.nn.Identity(), codec, None)(merged)
    torch.testing.assert_close(points, wanted)
    plain, _ = DecodedNetwork(torch.nn.Identity(), codec, None)(images)
    assert (points - plain).abs().max() > 1


def test_what_does_not_fit_is_said():
    test = CfgNode({"TEST": {"BIAS": 1.0, "FLIP_TEST": True}})
    with pytest.raises(ExportError, match=r"TEST\.BIAS 1\.0"):
        crop_graph(torch.nn.Identity(), test, GaussianCodec(**SIZE), load_skeleton("coco"))
    assert crop_graph(torch.nn.Identity(), test, GaussianCodec(**SIZE), None).names == ("heatmaps",)
    assert not is_decoded({"flip": True}, flip=False)
    assert is_decoded({"decoded": True, "flip": True}, flip=True)
    with pytest.raises(ConfigError, match=r"set TEST\.FLIP_TEST True"):
        is_decoded({"decoded": True, "flip": True}, flip=False)
