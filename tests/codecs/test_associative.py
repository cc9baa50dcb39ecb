import numpy as np
import pytest
import torch
from textbook import associative as textbook

from lib.codecs.associative import encode_heatmaps, encode_tag_indices


def crowd(seed, images=2, people=3, joints=5, side=23):
    """Keypoints (B, P, K, 3) around the map, some outside, some invisible."""
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(-4, side + 4, (images, people, joints, 3))
    keypoints[..., 2] = rng.choice([0, 1, 2], (images, people, joints), p=[0.3, 0.3, 0.4])
    keypoints[0, 0, 0] = (-0.9, 3.999, 1)  # truncation: cell (0, 3)
    keypoints[0, 0, 1] = (side, 2.0, 2)  # one past the last cell
    keypoints[0, 1, 0] = (side - 0.01, side - 1, 2)
    return keypoints


def tensors(keypoints):
    table = torch.from_numpy(keypoints).float()
    return table[..., :2], table[..., 2]


@pytest.mark.parametrize("sigma", [2.0, 1.3, 23 / 64])
def test_heatmaps_equal_the_textbook(sigma):
    people = crowd(1)
    heatmaps = encode_heatmaps(*tensors(people), 23, sigma)
    wanted = [textbook.heatmaps(one, 23, [sigma] * 3) for one in people]
    assert heatmaps.shape == (2, 5, 23, 23)
    np.testing.assert_allclose(heatmaps, np.stack(wanted), atol=1e-6)


def test_negative_sigma_follows_the_size():
    points = tensors(crowd(2))
    torch.testing.assert_close(
        encode_heatmaps(*points, 128, -1.0), encode_heatmaps(*points, 128, 2.0)
    )


def test_sigma_per_person():
    people = crowd(3)
    sigmas = torch.tensor([[0.7, 2.0, 3.1], [1.0, 1.5, 0.5]])
    heatmaps = encode_heatmaps(*tensors(people), 23, sigmas, max_sigma=3.1)
    wanted = [
        textbook.heatmaps(one, 23, own) for one, own in zip(people, sigmas.tolist(), strict=True)
    ]
    np.testing.assert_allclose(heatmaps, np.stack(wanted), atol=1e-6)
    with pytest.raises(ValueError, match="max_sigma"):
        encode_heatmaps(*tensors(people), 23, sigmas)


def test_nobody_gives_empty_targets():
    points = torch.zeros(2, 0, 5, 2), torch.zeros(2, 0, 5)
    assert encode_heatmaps(*points, 7, 2.0).abs().max() == 0
    indices = encode_tag_indices(*points, 7, max_people=4)
    assert indices.shape == (2, 4, 5, 2)
    assert indices.abs().max() == 0


@pytest.mark.parametrize("tag_per_joint", [True, False])
def test_tag_indices_equal_the_textbook(tag_per_joint):
    people = crowd(4)
    indices = encode_tag_indices(*tensors(people), 23, max_people=6, tag_per_joint=tag_per_joint)
    wanted = [textbook.tag_indices(one, 23, 6, tag_per_joint) for one in people]
    np.testing.assert_array_equal(indices, np.stack(wanted))


def test_of_too_many_people_those_with_most_joints_stay_in_order():
    people = np.zeros((1, 34, 3, 3))
    people[..., :2] = np.arange(34)[:, None, None] % 19
    people[..., 2] = 2
    people[0, [1, 5, 8], 1:, 2] = 0  # one joint left
    people[0, [0, 3], 2:, 2] = 0  # two: enough to stay, and to stay in front
    people[0, 20, :, 0] = 99  # all outside
    indices = encode_tag_indices(*tensors(people), 19, max_people=30)
    kept = [n for n in range(34) if n not in (1, 5, 8, 20)]
    wanted = textbook.tag_indices(people[0, kept], 19, 30, True)
    np.testing.assert_array_equal(indices[0], wanted)


@pytest.mark.parametrize("side", [32, 64, 128])
def test_reference_targets(shared, side):
    golden = np.load(shared / "golden" / "bottomup" / "targets.npz")
    points = tensors(golden[f"joints{side}"][None])
    heatmaps = encode_heatmaps(*points, side, 2.0)[0]
    np.testing.assert_allclose(heatmaps, golden[f"heatmap{side}"], atol=1e-6)
    for name, per_joint in (("tagidx", True), ("tagidx_shared", False)):
        indices = encode_tag_indices(*points, side, tag_per_joint=per_joint)[0]
        np.testing.assert_array_equal(indices, golden[f"{name}{side}"])
    if side == 64:
        automatic = encode_heatmaps(*points, side, -1.0)[0]
        np.testing.assert_allclose(automatic, golden["heatmap64_autosigma"], atol=1e-6)
