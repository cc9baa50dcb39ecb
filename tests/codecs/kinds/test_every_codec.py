"""What must hold for every codec that is registered, whatever it is."""

import numpy as np
import pytest
import torch
import yaml

from lib.codecs import CODECS, build_codec
from lib.config import load_config
from lib.utils.losses import SAMPLES

WIDTH, HEIGHT = 192, 256
# Mean and largest error per axis in input pixels, at stride (maps) or split ratio (rows) `step`:
# what rounding to a cell of `step` pixels costs, or next to nothing.
ROUNDED = (lambda step: step / 4 * 1.03, lambda step: step / 2 + 1e-3)
EXACT = (lambda step: 0.005, lambda step: 0.02)
BOUNDS = {
    "gaussian": ROUNDED,
    "softargmax": ROUNDED,
    "dark": EXACT,
    "presence": EXACT,
    "udp": EXACT,
    "integral": EXACT,
    "simcc": ROUNDED,
    "megvii": ROUNDED,
}
RATIOS, STRIDES = (1, 2, 3), (4, 2, 1)


def cases():
    for name in CODECS:
        if "SPLIT_RATIO" in CODECS[name].options:
            for ratio in RATIOS:
                yield pytest.param(name, {"SPLIT_RATIO": ratio}, 1 / ratio, id=f"{name}-{ratio}")
        else:
            for stride in STRIDES:
                yield pytest.param(name, {}, stride, id=f"{name}-{stride}")


def configured(folder, name, options, step):
    stride = max(1, step)
    model = {
        "TARGET_TYPE": name,
        "IMAGE_SIZE": [WIDTH, HEIGHT],
        "HEATMAP_SIZE": [WIDTH // stride, HEIGHT // stride],
        "SIGMA": 8 / stride,
        "CODEC": options,
    }
    path = folder / "case.yaml"
    sections = {"MODEL": model, "TEST": {"POST_PROCESS": True}}
    path.write_text(yaml.safe_dump(sections))
    return build_codec(load_config(path))


def spread_joints(step, count=400):
    """(1, count, 2) input pixels whose offsets within a cell are evenly spread on both axes."""
    generator = np.random.default_rng(7)
    offsets = [generator.permutation(count) + 0.5 for _ in range(2)]
    low, high = 40 / step, np.array([WIDTH - 40, HEIGHT - 40]) / step
    cells = generator.integers(int(low), high.astype(int), (count, 2))
    return torch.tensor((cells + np.stack(offsets, 1) / count) * step, dtype=torch.float32)[None]


def whole_input(codec):
    """The crop under which image pixels are those of the input."""
    width, height = WIDTH - int(codec.unbiased), HEIGHT - int(codec.unbiased)
    return torch.tensor([[width / 2, height / 2, width, height]])


@pytest.mark.parametrize(("name", "options", "step"), list(cases()))
def test_joints_go_there_and_back(tmp_path, name, options, step):
    assert name in BOUNDS, f"say how exact the codec '{name}' is"
    codec = configured(tmp_path, name, options, step)
    errors = []
    for joints in spread_joints(step).split(100, dim=1):
        targets, weights = codec.encode(joints, torch.ones(joints.shape[:2]))
        assert weights.min() == 1
        found, scores = codec.decode_to_image(codec.ideal(targets), whole_input(codec))
        assert scores.shape == joints.shape[:2]
        errors.append((found - joints).abs())
    error = torch.cat(errors, dim=1)
    mean, largest = (bound(step) for bound in BOUNDS[name])
    print(f"{name} {options or step}: mean {error.mean():.4f} max {error.max():.4f} px")
    assert error.mean() <= mean
    assert error.max() <= largest
    if BOUNDS[name] is ROUNDED:  # a bound that is never near would tell nothing
        assert error.mean() >= 0.9 * step / 4


@pytest.mark.parametrize(("name", "options", "step"), list(cases()))
def test_shapes_and_ranges_of_the_contract(tmp_path, name, options, step):
    codec = configured(tmp_path, name, options, step)
    joints = spread_joints(step)[:, :17]
    targets, weights = codec.encode(joints, torch.ones(1, 17))
    answer = codec.ideal(targets)
    tensors = [answer] if isinstance(answer, torch.Tensor) else answer
    assert [t.shape[1:] for t in tensors] == list(codec.output_shapes(17).values())
    assert codec.accuracy(answer, targets, weights).item() == pytest.approx(1)
    maps = codec.maps(answer)
    assert maps.shape[:2] == (1, 17)
    assert maps.min() >= 0
    assert 0.7 < maps.max() <= 1
    losses = codec.loss(answer, targets, weights)
    assert losses.pop(SAMPLES).shape == (1,)
    assert all(loss.shape == () and loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize(("name", "options", "step"), list(cases()))
def test_losses_of_people_are_those_of_each_alone(tmp_path, name, options, step):
    codec = configured(tmp_path, name, options, step)
    generator = torch.Generator().manual_seed(5)
    places = 40 * torch.rand(5, 4, 2, generator=generator)
    visible = torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]])
    targets, weights = codec.encode(places, visible)
    shapes = codec.output_shapes(4).values()
    answer = [torch.randn(5, *shape, generator=generator) for shape in shapes]
    answer = answer[0] if len(answer) == 1 else answer
    people = codec.loss(answer, targets, weights)[SAMPLES]
    assert people.shape == (5,)
    for n in range(5):
        losses = codec.loss(one(answer, n), one(targets, n), weights[n : n + 1])
        torch.testing.assert_close(losses.pop(SAMPLES), people[n : n + 1])
        torch.testing.assert_close(sum(losses.values()), people[n])


def one(batch, n):
    """Return the n-th of a batch of tensors, alone."""
    if isinstance(batch, torch.Tensor):
        return batch[n : n + 1]
    return [part[n : n + 1] for part in batch]
