import numpy as np
import torch

from lib.evaluation.accuracy import heatmap_accuracy


def spots(cells, size=(20, 30)):
    maps = torch.zeros(1, len(cells), size[1], size[0])
    for joint, (x, y) in enumerate(cells):
        maps[0, joint, y, x] = 1
    return maps


def test_by_hand():
    targets = spots([(10, 10), (10, 10), (10, 10), (1, 10)])
    # One unit is 3 cells along x and 2 along y (swapped on purpose, see the docstring).
    found = spots([(11, 10), (12, 10), (10, 11), (1, 10)])
    joints, mean, count = heatmap_accuracy(found, targets)
    assert joints.tolist() == [1, 0, 0, -1]
    assert mean.item() == np.float32(1 / 3)
    assert count.item() == 3


def test_nothing_to_count():
    joints, mean, count = heatmap_accuracy(spots([(3, 3)]), spots([(0, 0)]))
    assert (joints.tolist(), mean.item(), count.item()) == ([-1], 0, 0)


def test_golden(shared):
    data = np.load(shared / "golden/data/loss_acc.npz")
    noise = 0.02 * np.random.RandomState(8).randn(*data["acc_target"].shape)
    noisy = (data["acc_target"] + noise).astype(np.float32)
    for found, name in ((data["acc_heatmaps"], "acc"), (noisy, "acc2")):
        joints, mean, count = heatmap_accuracy(
            torch.tensor(found), torch.tensor(data["acc_target"])
        )
        np.testing.assert_allclose(joints, data[name][1:], atol=1e-6)
        np.testing.assert_allclose(mean, data[f"{name}_avg"], atol=1e-6)
        assert count == data[f"{name}_cnt"]
