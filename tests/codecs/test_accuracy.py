import numpy as np
import torch

from lib.codecs.accuracy import heatmap_accuracy, joint_accuracies


def spots(cells, size=(20, 30)):
    maps = torch.zeros(1, len(cells), size[1], size[0])
    for joint, (x, y) in enumerate(cells):
        maps[0, joint, y, x] = 1
    return maps


def test_by_hand():
    targets = spots([(10, 10), (10, 10), (10, 10), (1, 10)])
    # One unit is 3 cells along x and 2 along y (swapped on purpose, see the docstring).
    found = spots([(11, 10), (12, 10), (10, 11), (1, 10)])
    assert joint_accuracies(found, targets).tolist() == [1, 0, 0, -1]
    assert heatmap_accuracy(found, targets).item() == np.float32(1 / 3)


def test_nothing_to_count():
    assert joint_accuracies(spots([(3, 3)]), spots([(0, 0)])).tolist() == [-1]
    assert heatmap_accuracy(spots([(3, 3)]), spots([(0, 0)])).item() == 0


def test_golden(shared):
    data = np.load(shared / "golden/data/loss_acc.npz")
    noise = 0.02 * np.random.RandomState(8).randn(*data["acc_target"].shape)
    noisy = (data["acc_target"] + noise).astype(np.float32)
    targets = torch.tensor(data["acc_target"])
    for found, name in ((data["acc_heatmaps"], "acc"), (noisy, "acc2")):
        joints = joint_accuracies(torch.tensor(found), targets)
        np.testing.assert_allclose(joints, data[name][1:], atol=1e-6)
        mean = heatmap_accuracy(torch.tensor(found), targets)
        np.testing.assert_allclose(mean, data[f"{name}_avg"], atol=1e-6)
        assert (joints >= 0).sum() == data[f"{name}_cnt"]
