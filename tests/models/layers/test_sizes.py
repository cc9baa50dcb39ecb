import pytest
import torch

from lib.models.layers.sizes import require_multiple


def test_sizes_are_named_in_image_pixels():
    x = torch.empty(1, 2, 9, 16, device="meta")
    require_multiple(x, 4, 4, "Part")
    with pytest.raises(ValueError, match=r"Part needs .* multiples of 8 pixels, got 64 x 36"):
        require_multiple(x, 4, 8, "Part")
