"""Compiled networks against the same ones as they were built."""

import copy
import pickle

import pytest
import torch

from lib.config import load_config
from lib.export.graph import largest_difference
from lib.models import build_model, compile_for_prediction, fold_batch_norm
from lib.models.heads.deconv import doubling


def network(cfg, seed):
    torch.manual_seed(seed)
    built = build_model(cfg).eval()
    for values in built.state_dict().values():
        if values.dtype == torch.float32:
            values += 0.02 * torch.rand_like(values)
    fold_batch_norm(built)
    return built


@pytest.mark.slow
def test_a_compiled_network_finds_the_same(tiny_config):
    """With another last batch, as tests have it; and not what another network's weights give."""
    cfg = load_config(tiny_config)
    width, height = cfg.MODEL.IMAGE_SIZE
    pairs = []
    for seed in (2, 3):
        plain = network(cfg, seed)
        compiled = copy.deepcopy(plain)
        compile_for_prediction(compiled)
        pairs.append((plain, compiled))
    torch._dynamo.utils.counters.clear()
    with torch.inference_mode():
        for count in (3, 3, 2, 1):
            images = torch.randn(count, 3, height, width)
            answers = [plain(images) for plain, _ in pairs]
            assert largest_difference(*answers) > 0.1
            for (_, compiled), expected in zip(pairs, answers, strict=True):
                assert largest_difference(expected, compiled(images)) < 1e-4
        assert torch._dynamo.utils.counters["frames"]["ok"] >= 2
        plain, compiled = pairs[0]
        emptied = copy.deepcopy(compiled)  # not compiled, with weights of its own
        for values in emptied.state_dict().values():
            values.zero_()
        assert not emptied(images).any()
        assert largest_difference(plain(images), compiled(images)) < 1e-4
    pickle.dumps(compiled)


@pytest.mark.slow
def test_grouped_transposed_convolutions_stay_without_bias():
    """With one they take ten times as long: what is added afterwards must not be made one."""
    torch.manual_seed(5)
    layers = torch.nn.Conv2d(3, 16, 1), *doubling(16, 16, 4, grouped=True)
    plain = torch.nn.Sequential(*layers).eval()
    plain[2].running_mean.normal_()
    compiled = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    assert fold_batch_norm(compiled, (6, 8)) == 2
    compile_for_prediction(compiled)
    images = torch.randn(2, 3, 6, 8).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert largest_difference(plain(images), compiled(images)) < 1e-4
        with torch.profiler.profile(record_shapes=True) as profile:
            compiled(images)
    calls = [event.input_shapes for event in profile.events() if event.name == "aten::_convolution"]
    assert [shapes[2] for shapes in calls if shapes[1] == [16, 1, 4, 4]] == [[]]
