import pytest
import torch

from lib.utils.precision import without_autocast


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_products_stay_in_float32(device):
    x = torch.ones(2, 2, device=device)
    with torch.autocast("cpu", torch.bfloat16):
        with without_autocast(x.device):
            assert (x @ x).dtype == torch.float32
        if device == "cpu":
            assert (x @ x).dtype == torch.bfloat16
