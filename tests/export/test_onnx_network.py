"""Anybody's ONNX file answers as a network of ours."""

import numpy as np
import pytest
import torch
from torch import nn

from lib.export.onnx_network import OnnxNetwork
from lib.utils.errors import WeightsError

pytest.importorskip("onnxruntime")
SHAPE = (3, 20, 12)


def write(path, network, batch, inputs=1, **options):
    sample = tuple(torch.randn(batch, *SHAPE) for _ in range(inputs))
    torch.onnx.export(network, sample, str(path), dynamo=False, opset_version=17, **options)
    return path


def test_a_file_for_two_images_at_a_time_takes_any_number(tmp_path):
    # As older exporters did, the weights are listed as inputs, too.
    network = nn.Conv2d(3, 5, 3, 2, 1).eval()
    file = write(tmp_path / "m.onnx", network, 2, keep_initializers_as_inputs=True)
    loaded = OnnxNetwork(file)
    for count in (1, 2, 5):
        images = torch.randn(count, *SHAPE).contiguous(memory_format=torch.channels_last)
        np.testing.assert_allclose(loaded(images), network(images).detach(), atol=1e-5)
    assert next(loaded.parameters()).device.type == "cpu"
    assert loaded.card == {}


def test_several_outputs_are_a_list(tmp_path):
    class Two(nn.Module):
        def forward(self, images):
            return images * 2, images.mean(1)

    images = torch.randn(3, *SHAPE)
    double, mean = OnnxNetwork(write(tmp_path / "m.onnx", Two(), 1))(images)
    np.testing.assert_allclose(double, images * 2)
    np.testing.assert_allclose(mean, images.mean(1), atol=1e-6)


def test_sizes_are_compared(tmp_path):
    loaded = OnnxNetwork(write(tmp_path / "m.onnx", nn.Conv2d(3, 5, 3, 2, 1), 1))
    loaded.check_sizes([12, 20], {"heatmaps": (5, 10, 6)})
    for joints, size, cells in [
        (4, [12, 20], [6, 10]),
        (5, [20, 12], [6, 10]),
        (5, [12, 20], [10, 6]),
    ]:
        with pytest.raises(WeightsError, match="HEATMAP_SIZE"):
            loaded.check_sizes(size, {"heatmaps": (joints, cells[1], cells[0])})


def test_what_is_no_such_model_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="No weight file"):
        OnnxNetwork(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(WeightsError, match="cannot be run"):
        OnnxNetwork(tmp_path / "bad.onnx")

    class Sum(nn.Module):
        def forward(self, a, b):
            return a + b

    with pytest.raises(WeightsError, match="must have one input"):
        OnnxNetwork(write(tmp_path / "two.onnx", Sum(), 1, inputs=2))


class Twice(nn.Module):
    def forward(self, images):
        return images * 2


@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_files_of_other_precisions_answer_in_float32(tmp_path, kind):
    file = tmp_path / "m.onnx"
    sample = torch.randn(1, *SHAPE, dtype=kind)
    torch.onnx.export(Twice(), (sample,), str(file), dynamo=False, opset_version=17)
    found = OnnxNetwork(file)(images := torch.randn(2, *SHAPE))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, images * 2, rtol=1e-3)


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (torch.zeros(1, 20, 12, 3), r"\(B, 3, height, width\) .* \[1, 20, 12, 3\]"),
        (torch.zeros(1, *SHAPE, dtype=torch.int32), r"of tensor\(int32\)"),
        (torch.zeros(*SHAPE), r"\[3, 20, 12\]"),
    ],
)
def test_images_of_another_form_are_refused_when_it_is_opened(tmp_path, sample, words):
    file = tmp_path / "m.onnx"
    torch.onnx.export(Twice(), (sample,), str(file), dynamo=False, opset_version=17)
    with pytest.raises(WeightsError, match=words):
        OnnxNetwork(file)


def test_a_size_that_the_file_cannot_take_is_one_sentence(tmp_path):
    file = write(tmp_path / "m.onnx", Twice(), 1)
    with pytest.raises(WeightsError, match=r"m.onnx cannot be computed for images \(1, 3, 8, 8\)"):
        OnnxNetwork(file)(torch.zeros(1, 3, 8, 8))
