"""Stages that read images: crops to train on and crops to test on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import default_collate

from lib.benchmark.inputs import crowd
from lib.benchmark.textbook import loader
from lib.benchmark.timing import Stage
from lib.datasets.topdown import PersonCrops, TrainCrops, crop_loader, person_crops
from lib.engine.sampling import EpochSampler
from lib.tasks.pixels import normalise
from lib.tasks.topdown import TopDownTask
from lib.utils.image_parts import WHOLE, Part
from lib.utils.images import read_image

LEVEL = 1 / 255 / 0.224  # one step of a byte, normalised
EPOCH = 1
BATCH = 16
DECODE = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


def train_batches(data: TrainCrops, count: int) -> list[list[int]]:
    """Return ``count`` people of the training set in batches, drawn without pattern.

    Those of a batch are from different images, as they nearly always are in a large data set: no
    form may profit from a small one.
    """
    rng = np.random.default_rng(0)
    images = rng.permutation(np.unique(data.people.image_index))
    by_image = {image: np.flatnonzero(data.people.image_index == image) for image in images}
    rows = [int(rng.choice(by_image[image])) for image in np.resize(images, count)]
    size = min(BATCH, len(images))
    return [rows[start : start + size] for start in range(0, count, size)]


def whole_image_batches(data: TrainCrops, count: int) -> list[list[int]]:
    """Return ``count`` people in batches as ``TRAIN.WHOLE_IMAGES`` orders them."""
    sampler = EpochSampler(len(data), BATCH, seed=0, together=data.sources)
    rows = np.resize(np.concatenate(sampler.batches(EPOCH)), count).tolist()
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]


def plain_batch(task: TopDownTask, data: TrainCrops, rows: list[int]) -> dict[str, Any]:
    """Return the textbook's training batch."""
    rgb = task.cfg.DATASET.COLOR_RGB
    return default_collate(
        [
            loader.train_sample(
                loader.read(data.people.image_path(row)), data, EPOCH, row, task.codec, rgb
            )
            for row in rows
        ]
    )


def train_data(task: TopDownTask, count: int) -> Stage:
    """Read, decode, augment and join training crops; in the textbook also targets and floats.

    ``decode`` is the JPEG decoder alone, once per person, on bytes in memory; the ``cached`` forms
    start with decoded images; ``whole_images`` is ours in another order (``TRAIN.WHOLE_IMAGES``),
    beside ``decode_whole_images`` for its people. Our targets and floats are made on the device:
    see stage ``train_step``.
    """
    data = task.build_train_dataset()
    batches, rgb = train_batches(data, count), task.cfg.DATASET.COLOR_RGB
    together = whole_image_batches(data, count)
    rows = [row for batch in batches for row in batch]
    keys = [[(EPOCH, row) for row in batch] for batch in batches]
    keys_together = [[(EPOCH, row) for row in batch] for batch in together]
    files = [data.people.image_path(row) for row in rows]
    encoded = [_bytes(file) for file in files]
    encoded_together = [_bytes(data.people.image_path(row)) for batch in together for row in batch]
    images = [read_image(file) for file in files]
    in_memory = copy.copy(data)
    by_path = dict(zip(files, images, strict=True))
    in_memory.read = lambda index, need=WHOLE: (index, Part(by_path[data.people.image_path(index)]))

    def joined(source: TrainCrops) -> dict[str, torch.Tensor]:
        parts = [task.collate(source.batch(batch)) for batch in keys]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def plain_cached() -> list[Any]:
        return [
            loader.train_sample(image, data, EPOCH, row, task.codec, rgb)
            for image, row in zip(images, rows, strict=True)
        ]

    return Stage(
        ours=lambda: [task.collate(data.batch(batch)) for batch in keys],
        textbook=lambda: plain_batch(task, data, rows),
        check=lambda _, plain: _same_training(task, joined(data), plain),
        units=count,
        unit="person",
        extras={
            "decode": lambda: _decode(encoded),
            "whole_images": lambda: [task.collate(data.batch(batch)) for batch in keys_together],
            "decode_whole_images": lambda: _decode(encoded_together),
            "cached": lambda: [in_memory.batch(batch) for batch in keys],
            "textbook_cached": plain_cached,
        },
        ratios={
            "over_decode": ("ours", "decode"),
            "whole_images_over_decode": ("whole_images", "decode_whole_images"),
            "ratio_without_decode": ("textbook_cached", "cached"),
        },
    )


def _bytes(file: str) -> np.ndarray:
    return np.frombuffer(Path(file).read_bytes(), np.uint8)


def _decode(encoded: list[np.ndarray]) -> None:
    """Decode images into memory that is used again: keeping them all would cost page faults."""
    for data in encoded:
        cv2.imdecode(data, DECODE)


def _same_training(task: TopDownTask, ours: dict[str, Any], plain: dict[str, Any]) -> None:
    """Compare a batch: bytes to a rounding step, joints to 0.01 px, maps where no cell rounds."""
    _same_pixels(normalise(ours["image"], task.pixels), plain["image"])
    seen = ours["visible"] > 0
    off = (ours["keypoints"] - plain["joints"]).abs().amax(dim=2)[seen]
    assert not len(off) or off.max() < 0.01, f"joints differ by {off.max()} px"
    maps, weights = task.codec.encode(ours["keypoints"], ours["visible"])
    equal = (maps - plain["target"]).abs().amax(dim=(2, 3)) < 1e-5
    equal &= weights == plain["weight"]
    assert equal.float().mean() > 0.99, f"only {equal.float().mean():.4f} of the targets agree"


def _same_pixels(ours: torch.Tensor, plain: torch.Tensor) -> None:
    """Crop maps differ in the last bits of float32, which may turn the rounding of a byte."""
    off = (ours - plain).abs()
    assert off.max() < 3 * LEVEL, f"pixels differ by {off.max() / LEVEL:.1f} levels"
    assert off.mean() < 0.05 * LEVEL, f"pixels differ by {off.mean() / LEVEL:.3f} levels on average"


def test_data(task: TopDownTask, images: int) -> Stage:
    """Read images, cut out ten people of each, make them floats."""
    table = crowd(task.people, images)
    size, rgb = task.codec.input_size, task.cfg.DATASET.COLOR_RGB

    def ours() -> Iterator[torch.Tensor]:
        crops = PersonCrops(table, input_size=size, unbiased=False)
        for batch in crop_loader(crops, batch_size=BATCH, workers=0):
            yield normalise(batch["image"], task.pixels)

    def textbook() -> Iterator[torch.Tensor]:
        regions = person_crops(table, size)
        for start in range(0, len(table), BATCH):
            rows = range(start, min(start + BATCH, len(table)))
            images = (loader.read(table.image_path(row)) for row in rows)
            cuts = (
                loader.cut(image, regions[row], 0, size, rgb)[0]
                for row, image in zip(rows, images, strict=True)
            )
            yield default_collate([loader.to_float(cut) for cut in cuts])

    def check(*_: Any) -> None:
        _same_pixels(torch.cat([*ours()]), torch.cat([*textbook()]))

    def run(form: Callable[[], Iterator[torch.Tensor]]) -> None:
        for _ in form():  # a batch goes before the next one comes, as in a test
            pass

    return Stage(lambda: run(ours), lambda: run(textbook), check, len(table), "person")
