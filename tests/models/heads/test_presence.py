import pytest
import torch

from lib.models.heads.presence import PresenceHead


def test_maps_and_logits():
    head = PresenceHead((5, 7), (4, 8), 3)
    maps = [torch.rand(2, 5, 11, 13), torch.rand(2, 7, 6, 7)]
    heat, logits = head(maps)
    assert heat.shape == (2, 3, 11, 13)
    assert logits.shape == (2, 3)
    assert torch.equal(heat, head.final_layer(maps[0]))
    moved = [maps[0], maps[1].roll(2, dims=3)]  # where does not matter, only what
    assert torch.allclose(head(moved)[1], logits, atol=1e-6)


def test_missing_level_is_named():
    with pytest.raises(ValueError, match="presence_level"):
        PresenceHead((5, 7), (4, 8), 3, presence_level=2)
