"""Joints in pixels of the network's input and in those of the image are the same points."""

import pytest
import torch
import yaml
from torch import nn
from yacs.config import CfgNode

from lib.codecs import CODECS, build_codec
from lib.codecs.kinds.gaussian import GaussianCodec
from lib.codecs.kinds.udp import UdpCodec
from lib.config import load_config
from lib.export import FileNetwork
from lib.export.onnx_network import OnnxNetwork
from lib.export.writer import export_onnx
from lib.structures.skeleton import load_skeleton
from lib.tasks import build_task
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


class Reader(FileNetwork):
    """A file that says of everybody where the joints are."""

    def __init__(self, points):
        super().__init__()
        self.card, self.runtime, self.points = {"decoded": True}, "none", points

    def forward(self, images):
        return self.points[: len(images)], self.points[: len(images), :, 0] / 100


def test_tasks_that_did_not_open_a_file_read_its_joints_too(tiny_config):
    """A mix has a task for every data set it tests on."""
    task = build_task(load_config(tiny_config))
    points = 64 * torch.rand(3, 17, 2, generator=torch.Generator().manual_seed(0))
    found = task.predict_crops(Reader(points), torch.zeros(3, 96, 64, 3, dtype=torch.uint8), CROPS)
    table = torch.as_tensor(found.numpy())
    torch.testing.assert_close(table[..., :2], frame_to_image(points, CROPS, task.codec))
    torch.testing.assert_close(table[..., 2], points[..., 0] / 100)


def test_what_does_not_fit_is_said():
    test = CfgNode({"TEST": {"BIAS": 1.0, "FLIP_TEST": True}})
    with pytest.raises(ExportError, match=r"TEST\.BIAS 1\.0"):
        crop_graph(torch.nn.Identity(), test, GaussianCodec(**SIZE), load_skeleton("coco"))
    assert crop_graph(torch.nn.Identity(), test, GaussianCodec(**SIZE), None).names == ("heatmaps",)
    assert not is_decoded({"flip": True}, flip=False)
    assert is_decoded({"decoded": True, "flip": True}, flip=True)
    with pytest.raises(ConfigError, match=r"set TEST\.FLIP_TEST True"):
        is_decoded({"decoded": True, "flip": True}, flip=False)


BOUND = 0.01  # pixels of the input, between a file's joints and ours
RECORDED = {"integral": ["program"]}  # exporters, where the first one lacks an operator
VARIANTS = {
    "megvii": [{"KERNEL": 5}],
    "simcc": [{}, {"SCORE": "probability"}, {"SCORE": "visibility"}, {"NEWTON": True}],
}


def cases():
    for name in CODECS:
        for options in VARIANTS.get(name, [{}]):
            marks = [pytest.mark.slow] if name in RECORDED else []
            yield pytest.param(name, options, 17, marks=marks, id=f"{name}-{options}")
    for name in ("dark", "simcc"):
        yield pytest.param(name, {}, 133, id=f"{name}-wholebody")


class Drawn(nn.Module):
    """Answers with the maps (or rows) of one person, the higher the brighter a picture's right."""

    def __init__(self, parts):
        super().__init__()
        for number, part in enumerate(parts):
            self.register_buffer(f"part{number}", part)
        self.register_buffer("ramp", torch.linspace(-1, 1, 48))

    def forward(self, images):
        height = 1 + 0.5 * (images * self.ramp).mean((1, 2, 3)).mul(9).tanh()
        parts = list(self.buffers())[:-1]
        parts = [part * height.view(-1, *[1] * (part.ndim - 1)) for part in parts]
        return parts[0] if len(parts) == 1 else parts


def drawn(folder, name, options, skeleton):
    """Return the codec and a network that answers as one of its own would."""
    model = {"TARGET_TYPE": name, "IMAGE_SIZE": [48, 64], "HEATMAP_SIZE": [12, 16], "SIGMA": 1.5}
    settings = {"MODEL": {**model, "CODEC": options}, "TEST": {"POST_PROCESS": True}}
    settings["TEST"] |= {"FLIP_TEST": True, "FLIP_ALIGN": "exact"}
    (folder / "case.yaml").write_text(yaml.safe_dump(settings))
    cfg = load_config(folder / "case.yaml")
    codec = build_codec(cfg)
    shares = torch.rand(1, skeleton.num_joints, 2, generator=torch.Generator().manual_seed(2))
    joints = 4 + shares * torch.tensor([40, 56])
    answer = codec.ideal(codec.encode(joints, torch.ones(1, skeleton.num_joints))[0])
    return cfg, codec, Drawn([answer] if isinstance(answer, torch.Tensor) else answer)


@pytest.mark.parametrize(("name", "options", "count"), list(cases()))
def test_a_file_reads_the_joints_that_we_read(tmp_path, name, options, count):
    pytest.importorskip("onnxruntime")
    skeleton = load_skeleton("coco" if count == 17 else "wholebody")
    assert skeleton.num_joints == count
    cfg, codec, network = drawn(tmp_path, name, options, skeleton)
    graph = crop_graph(network, cfg, codec, skeleton)
    some = {"exporters": RECORDED[name]} if name in RECORDED else {}
    export_onnx(graph, tmp_path / "m.onnx", {}, **some)
    images = torch.randn(len(CROPS), 3, 64, 48, generator=torch.Generator().manual_seed(1))
    points, values = OnnxNetwork(tmp_path / "m.onnx")(images)
    index = torch.from_numpy(skeleton.flip_index)
    merged = codec.merge_flipped(network(images), network(images.flip(3)), index)
    wanted, scores = codec.decode_to_image(merged, CROPS)
    found = frame_to_image(points, CROPS, codec)
    zoom = (CROPS[:, 2:] / torch.tensor([48, 64])).amax()
    assert (found - wanted).abs().max() < BOUND * zoom
    torch.testing.assert_close(values, scores, atol=1e-4, rtol=0)
    assert wanted.std(dim=(0, 1)).min() > 5  # joints lie in many places
