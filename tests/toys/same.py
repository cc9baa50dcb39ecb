"""Equality of nested values, bit for bit."""

import torch


def assert_same(left, right, path="", skip=None):
    """Fail unless all tensors and values are equal; keys ``config`` and ``skip`` may differ."""
    assert type(left) is type(right), path
    if isinstance(left, torch.Tensor):
        assert torch.equal(left, right), path
    elif isinstance(left, dict):
        assert left.keys() == right.keys(), path
        for key in left:
            if key not in ("config", skip):
                assert_same(left[key], right[key], f"{path}.{key}", skip)
    elif isinstance(left, (list, tuple)):
        assert len(left) == len(right), path
        for i, pair in enumerate(zip(left, right, strict=True)):
            assert_same(*pair, f"{path}[{i}]", skip)
    else:
        assert left == right, path


def total(losses):
    """Return the sum of what is learned from: names that start with ``_`` are figures."""
    return sum(value for name, value in losses.items() if name[0] != "_")
