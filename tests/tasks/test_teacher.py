"""Distillation: what a teacher's answers become, for every pair of codecs, and that it is quiet."""

from functools import partial

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from toys.crop_views import views
from toys.same import total

from lib.codecs import CODECS, build_codec
from lib.config import load_config
from lib.datasets.topdown import cut_crops
from lib.structures.pixels import Pixels
from lib.tasks.teacher import Teacher, resample


def codec_of(tiny_config, kind, size=(64, 96), **settings):
    """Return a codec for inputs of ``size``; maps have a quarter of it."""
    cfg = load_config(tiny_config).clone()
    cfg.defrost()
    cfg.MODEL.TARGET_TYPE = kind
    cfg.MODEL.IMAGE_SIZE = list(size)
    cfg.MODEL.HEATMAP_SIZE = [size[0] // 4, size[1] // 4]
    cfg.MODEL.CODEC = CODECS[kind].options.clone()
    cfg.MODEL.CODEC.update(settings)
    cfg.MODEL.SIGMA = 2.0
    return build_codec(cfg)


class Oracle(nn.Module):
    """Answers what a codec would like to hear, whatever it is shown."""

    def __init__(self, codec, keypoints):
        super().__init__()
        self.codec, self.keypoints, self.seen = codec, keypoints, None

    def forward(self, images):
        self.seen = images
        targets, _ = self.codec.encode(self.keypoints, torch.ones(self.keypoints.shape[:2]))
        ideal = self.codec.ideal(targets)
        if self.codec.reads == "simcc":  # it answers with logits
            return [20 + (row + 1e-12).log() / self.codec.beta for row in ideal]
        return ideal


def taught(codec, student, keypoints, places=None, weight=0.25):
    places = np.arange(keypoints.shape[1]) if places is None else np.array(places)
    oracle = Oracle(codec, keypoints)
    pixels = Pixels(rgb=False)
    return Teacher(oracle, pixels, codec, student=student, places=places, weight=weight)


def points(*shape):
    generator = torch.Generator().manual_seed(5)
    return torch.rand(*shape, 2, generator=generator) * torch.tensor([44.0, 70.0]) + 10


# --- the view ---------------------------------------------------------------------------------


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("size", [(128, 192), (48, 72)])
def test_a_view_of_another_size_is_the_crop_of_that_size(unbiased, size):
    rows, columns = np.mgrid[0:150, 0:120]
    image = (128 + 40 * np.sin(rows / 23) + 50 * np.cos(columns / 19)).astype(np.uint8)
    image = cv2.merge([image, image // 2, 255 - image])
    crops = np.array([[61.0, 70.0, 80.0, 120.0]], np.float32)
    small, wanted = (
        torch.from_numpy(cut_crops(image, crops, part, unbiased=unbiased)).permute(0, 3, 1, 2)
        for part in ((64, 96), size)
    )
    found = resample(small.float(), size, unbiased=unbiased)
    assert found.shape == wanted.shape
    inner = (..., slice(3, -3), slice(3, -3))
    assert (found - wanted.float())[inner].abs().max() < 3.5  # of 255; bytes were rounded twice
    assert (found - wanted.float())[inner].abs().mean() < 0.6


def test_a_view_of_the_same_size_is_the_same():
    pixels = torch.rand(2, 3, 5, 7)
    assert resample(pixels, (7, 5), unbiased=False) is pixels


# --- targets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gaussian", "dark", "udp", "simcc", "integral"])
@pytest.mark.parametrize("student", ["gaussian", "udp", "simcc", "integral"])
@pytest.mark.parametrize("size", [(64, 96), (128, 192)])
def test_any_codec_learns_the_joints_of_any_other(tiny_config, kind, student, size):
    """A teacher that knows the joints gives the targets that the truth would give."""
    own, codec = codec_of(tiny_config, student), codec_of(tiny_config, kind, size)
    keypoints = points(3, 5)
    scale = [(a - own_less) / (b - own_less) for a, b in zip(size, (64, 96), strict=True)
             for own_less in [int(codec.unbiased)]]  # fmt: skip
    teacher = taught(codec, own, keypoints * torch.tensor(scale))
    assert teacher.gives_maps == (kind == student and size == (64, 96) and kind != "integral")
    targets, weights = teacher.targets(views(3, (64, 96)))
    assert teacher.network.seen.shape == (3, 3, size[1], size[0])
    assert (weights > 0.5).all()
    assert (weights <= 1).all()
    whole = [0.0, 0.0, 64.0, 96.0]
    if own.unbiased:
        whole = [0.0, 0.0, 63.0, 95.0]
    crop = torch.tensor([[whole[2] / 2, whole[3] / 2, whole[2], whole[3]]]).repeat(3, 1)
    ideal = own.ideal(targets)
    found, _ = own.decode_to_image(ideal, crop)
    assert (found - keypoints).abs().max() < 4.1  # a cell: maps round to the nearest
    assert (found - keypoints).abs().mean() < 1.7


def test_maps_are_taken_as_they_are(tiny_config):
    codec = codec_of(tiny_config, "gaussian")
    keypoints = points(2, 5)
    teacher = taught(codec, codec, keypoints, places=[3, -1, 0])
    targets, weights = teacher.targets(views(2, (64, 96)))
    maps, _ = codec.encode(keypoints, torch.ones(2, 5))
    assert torch.equal(targets[:, 0], maps[:, 3])
    assert torch.equal(targets[:, 2], maps[:, 0])
    assert weights.tolist() == [[1, 0, 1]] * 2


def test_maps_drawn_otherwise_are_not_taken(tiny_config):
    gaussian, dark = codec_of(tiny_config, "gaussian"), codec_of(tiny_config, "dark")
    assert gaussian.target_form != dark.target_form
    assert gaussian.target_form == codec_of(tiny_config, "softargmax").target_form
    assert codec_of(tiny_config, "simcc").target_form != (
        codec_of(tiny_config, "simcc", SPLIT_RATIO=3.0).target_form
    )
    with pytest.raises(ValueError, match="are not targets"):
        codec_of(tiny_config, "integral").as_targets(torch.zeros(1))


@pytest.mark.parametrize(
    "settings",
    [{}, {"BETA": 10.0, "LABEL_SOFTMAX": True}, {"NORMALIZE": False}, {"SMOOTHING": 0.1}],
)
def test_rows_of_a_perfect_simcc_teacher_teach_what_it_knows(tiny_config, settings):
    """The loss of the teacher's own answer is as small as it can be: its gradient is zero."""
    codec = codec_of(tiny_config, "simcc", **settings)
    shapes = codec.output_shapes(5).values()
    answer = [torch.randn(2, *shape, requires_grad=True) for shape in shapes]
    targets = codec.as_targets([part.detach() for part in answer])
    total(codec.loss(answer, targets, torch.ones(2, 5))).backward()
    assert max(part.grad.abs().max() for part in answer) < 1e-6
    other = [part.detach().roll(1, -1).requires_grad_() for part in answer]
    total(codec.loss(other, targets, torch.ones(2, 5))).backward()
    assert min(part.grad.abs().max() for part in other) > 1e-5


def test_a_doubtful_joint_weighs_its_score(tiny_config):
    gaussian, simcc = codec_of(tiny_config, "gaussian"), codec_of(tiny_config, "simcc")
    keypoints = points(1, 3)
    teacher = taught(gaussian, simcc, keypoints, places=[0, 1, -1, 2])
    inner = teacher.network.forward
    factors = torch.tensor([1.0, 0.25, -0.5])[None, :, None, None]
    teacher.network.forward = lambda images: inner(images) * factors
    _, weights = teacher.targets(views(1, (64, 96)))
    torch.testing.assert_close(weights, torch.tensor([[1.0, 0.25, 0.0, 0.0]]))


@pytest.mark.parametrize("kind", ["gaussian", "simcc"])
def test_mixed_errors_have_the_gradient_of_mixed_targets(tiny_config, kind):
    codec = codec_of(tiny_config, kind)
    truth, known = points(2, 4), torch.ones(2, 4)
    teacher = taught(codec, codec, truth.flip(1), weight=0.3)
    shapes = codec.output_shapes(4).values()
    answer = [torch.randn(2, *shape, requires_grad=True) for shape in shapes]
    output = answer[0] if len(answer) == 1 else answer
    targets, weights = codec.encode(truth, known)
    images = views(2, (64, 96))
    learn = partial(codec.loss, output)
    losses = teacher.mix(learn(targets, weights), learn, images, None)
    name, samples = codec.loss(output, targets, weights)
    assert list(losses) == [name, f"teacher_{name}", samples]
    torch.testing.assert_close(losses[samples].mean(), total(losses).detach())
    total(losses).backward()
    mixed = [part.grad.clone() for part in answer]
    taught_targets, _ = teacher.targets(images)
    pairs = [(targets, taught_targets)] if kind == "gaussian" else zip(
        targets, taught_targets, strict=True
    )  # fmt: skip
    blends = [0.7 * one + 0.3 * other for one, other in pairs]
    for part in answer:
        part.grad = None
    blend = blends[0] if kind == "gaussian" else tuple(blends)
    total(codec.loss(output, blend, weights)).backward()
    for part, gradient in zip(answer, mixed, strict=True):
        torch.testing.assert_close(part.grad, gradient)


def test_factors_of_joints_count_for_the_teacher_too(tiny_config):
    codec = codec_of(tiny_config, "gaussian")
    teacher = taught(codec, codec, points(2, 3))
    learn, images = partial(codec.loss, torch.zeros(2, 3, 24, 16)), views(2, (64, 96))
    one = teacher.mix({}, learn, images, None)["teacher_heatmap"]
    none = teacher.mix({}, learn, images, torch.zeros(3))["teacher_heatmap"]
    assert one > 0
    assert none == 0
