"""Bottom-up images side by side and in one pass: nobody's people depend on the neighbours."""

import numpy as np
import pytest
import torch
from torch import nn

from lib.engine.device import Precision
from lib.engine.inference import predict


def seeing(task):
    """Return a network that sees people in noise, in some images more than in others."""
    torch.manual_seed(0)
    model = task.build_model().eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight)
    with torch.no_grad():
        for output in model.head.final_layers:
            output.weight /= 20
    return model


@pytest.fixture
def crowd():
    """Six images: wide and high, two pairs of equal size."""
    rng = np.random.default_rng(0)
    sizes = [(120, 160), (120, 160), (90, 70), (75, 140), (75, 140), (120, 160)]
    return [rng.integers(0, 255, (*size, 3), np.uint8) for size in sizes]


FEW = ("DATASET.MAX_NUM_PEOPLE=3",)  # grouping noise takes its time
NAMES = ("keypoints", "keypoint_scores", "scores", "boxes", "crops", "indices", "image_ids")


@pytest.mark.parametrize("most", [1, 3])
def test_people_are_the_same_one_by_one_and_side_by_side(make, crowd, three_cores, most):
    task = make(f"TEST.BATCH_SIZE_PER_GPU={most}", "TEST.SCALE_FACTOR=[0.5,1]", *FEW)
    model = seeing(task)
    with torch.no_grad():
        together = task.predict_images(model, crowd, [None] * 3 + [np.zeros((0, 4))] + [None] * 2)
        assert torch.get_num_threads() == 3
        torch.set_num_threads(1 if most > 1 else 3)
        alone = [task.predict_images(model, [image], [None]) for image in crowd]
    assert sorted(set(together.indices.tolist())) == [0, 1, 2, 4, 5]
    for number in (0, 1, 2, 4, 5):
        mine = together.select(together.indices == number)
        assert len(mine) > 2
        for name in NAMES[:5]:
            assert np.array_equal(getattr(mine, name), getattr(alone[number], name)), name


def test_a_test_finds_the_same_people_in_batches_of_any_size(make, three_cores):
    found = []
    for most, cores in ((1, 1), (2, 3), (32, 2)):
        task = make(f"TEST.BATCH_SIZE_PER_GPU={most}", *FEW)
        torch.set_num_threads(cores)
        found.append(predict(task, seeing(task), torch.device("cpu"), Precision()))
    order = np.argsort(found[0].indices, kind="stable")
    assert len(order) > 4
    for other in found[1:]:
        same = np.argsort(other.indices, kind="stable")
        for name in NAMES:
            wanted, got = getattr(found[0], name)[order], getattr(other, name)[same]
            assert np.array_equal(wanted, got), name


def test_views_of_equal_size_share_a_pass_and_do_not_mix(make, crowd):
    """What a GPU does: nothing of an image comes from its neighbours but the last bits."""
    task = make(
        "TEST.BATCH_SIZE_PER_GPU=3", "TEST.SCALE_FACTOR=[0.5,1]", "DATASET.WITH_CENTER=true", *FEW
    )
    model, passes = seeing(task), []
    model.register_forward_pre_hook(lambda _, given: passes.append(tuple(given[0].shape)))
    shown = [task._views(model, image) for image in crowd]
    with torch.no_grad():
        shared = [look() for look in task._merger._looks(model, iter(shown))]
        # Mirrored ones too, largest scale first; the last three have two sizes, but equal views.
        assert [shape[0] for shape in passes] == [4, 4, 2, 2, 6, 6]
        alone = [task._merger._look(model, *one) for one in shown]
    for mine, wanted in zip(shared, alone, strict=True):
        assert len(wanted[0]) > 2
        for got, part in zip(mine, wanted, strict=True):
            np.testing.assert_allclose(got, part, atol=1e-3)
