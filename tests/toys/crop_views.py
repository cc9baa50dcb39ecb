"""Random crops, as a loader gives them."""

import torch


def views(count, size):
    return torch.randint(0, 255, (count, size[1], size[0], 3), dtype=torch.uint8)
