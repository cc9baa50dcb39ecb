import pytest
import torch
from toys.same import assert_same

from lib.codecs.kinds.presence import UNKNOWN, PresenceCodec
from lib.config import load_config
from lib.utils.errors import ConfigError

CODEC = PresenceCodec(input_size=(48, 64), heatmap_size=(12, 16), sigma=1.5, presence=0.5)
WHOLE = torch.tensor([[24.0, 32.0, 48.0, 64.0]])


def people():
    """A person with a joint inside, one left of the crop, one nobody labelled; and nobody."""
    joints = torch.tensor([[[20.0, 30], [-2, 30], [5, 5]], [[0.0, 0], [0, 0], [0, 0]]])
    visible = torch.tensor([[1.0, 1, 0], [0, 0, 0]])
    return CODEC.encode(joints, visible)


def test_targets_of_presence():
    (maps, present), weights = people()
    assert present.tolist() == [[1, 0, UNKNOWN], [0, 0, 0]]
    assert weights[0, 2] == 0
    assert weights[1].tolist() == [1, 1, 1]  # maps of nobody are to be empty
    assert maps[1].abs().max() == 0
    assert maps[0, 0].max() > 0.9


def test_unknown_joints_teach_nothing():
    targets, weights = people()
    maps, logits = targets[0].clone(), torch.zeros(2, 3)
    before = CODEC.loss([maps, logits], targets, weights)
    logits[0, 2] = 7
    assert_same(CODEC.loss([maps, logits], targets, weights), before)
    assert before["presence"].item() == pytest.approx(0.5 * 0.693147, abs=1e-5)
    logits[0, 1] = 7  # it is not there
    assert CODEC.loss([maps, logits], targets, weights)["presence"] > before["presence"]
    maps[1, 1, 3, 4] = 1  # a peak on nobody
    assert CODEC.loss([maps, logits], targets, weights)["heatmap"] > before["heatmap"]


def test_scores_are_peaks_times_probabilities_and_joints_stay():
    targets, _ = people()
    sure, _ = CODEC.decode_to_image([targets[0][:1], torch.full((1, 3), 20.0)], WHOLE)
    found, scores = CODEC.decode_to_image([targets[0][:1], torch.zeros(1, 3)], WHOLE)
    _, full = CODEC.decode_to_image([targets[0][:1], torch.full((1, 3), 20.0)], WHOLE)
    assert torch.equal(found, sure)
    assert torch.allclose(scores, full / 2)


def test_mirrored_logits_go_to_their_joints():
    maps = torch.rand(1, 3, 16, 12)
    merged = CODEC.merge_flipped(
        [maps, torch.tensor([[1.0, 2, 3]])],
        [maps, torch.tensor([[10.0, 20, 30]])],
        torch.tensor([0, 2, 1]),
    )
    assert merged[1].tolist() == [[5.5, 16, 11.5]]


def test_a_factor_of_nothing_is_refused():
    with pytest.raises(ValueError, match="FACTOR"):
        PresenceCodec(input_size=(48, 64), heatmap_size=(12, 16), sigma=1.5, presence=0.0)


def test_no_teacher_says_what_is_there(tmp_path):
    file = tmp_path / "taught.yaml"
    file.write_text("MODEL: {TARGET_TYPE: presence}\nTRAIN: {TEACHER: w.pth}\n")
    with pytest.raises(ConfigError, match="TEACHER"):
        load_config(file)
