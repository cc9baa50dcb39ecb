"""RTMPose: published outputs through the recipe, weights of relatives, sizes that must fit."""

import pytest
import torch
from golden import golden_input, mmpose_golden, plus_state

from lib.config import load_config
from lib.models import build_model, load_pretrained, load_weights, to_official
from lib.utils.errors import ConfigError, WeightsError

TINY = "experiments/coco/rtmpose/rtmpose_t_256x192.yaml"


def tiny(*words):
    return build_model(load_config(TINY, words)).eval()


def test_output_equals_the_reference(shared):
    shapes, outputs = mmpose_golden(shared, "rtmpose_t")
    network, state = tiny(), plus_state(shapes)
    load_weights(network, {"state_dict": state})
    with torch.no_grad():
        found = network(golden_input(256, 192))
    for logits, wanted in zip(found, (outputs["simcc_x"], outputs["simcc_y"]), strict=True):
        assert (logits - wanted).abs().max() <= 1e-4 * wanted.std()
    official = to_official(network)
    assert official.keys() == state.keys()
    assert all(torch.equal(official[key], state[key]) for key in state)


def test_start_from_the_trunk_of_a_heatmap_network():
    network, relative = tiny(), tiny().state_dict()
    state = {key: value for key, value in relative.items() if key.startswith("backbone.")}
    state["head.deconv_layers.0.weight"] = torch.zeros(4, 4, 4, 4)
    state["head.final_layer.weight"] = torch.zeros_like(relative["head.final_layer.weight"])
    report = load_pretrained(network, state, ["backbone"])
    assert set(report.loaded) == {key for key in state if key.startswith("backbone.")}
    assert network.head.final_layer.weight.any()  # the heatmap network's was all zero


def test_another_input_size_says_which_shapes_differ():
    size = ["MODEL.IMAGE_SIZE", "[288,384]", "MODEL.HEATMAP_SIZE", "[72,96]"]
    with pytest.raises(WeightsError, match=r"head\.mlp\.1\.weight is \(256, 48\) in the file"):
        load_weights(tiny(*size), tiny().state_dict())


def test_recipes_of_the_sizes():
    for name, decay in (("t", 0), ("s", 0), ("m", 0.05), ("l", 0.05)):
        cfg = load_config(f"experiments/coco/rtmpose/rtmpose_{name}_256x192.yaml")
        assert decay == cfg.TRAIN.WD
        assert cfg.MODEL.CODEC.SIGMA == [4.9, 5.66]
        assert cfg.DATASET.STAGES[0]["EPOCH"] == 390


def test_impossible_widths_get_a_sentence():
    with pytest.raises(ConfigError, match="all must be even"):
        tiny("MODEL.EXTRA.WIDEN_FACTOR", "0.3")
