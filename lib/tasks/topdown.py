"""Top-down: one crop per person -> what its codec reads -> joints (Xiao et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from lib.annotations.categories import COCO_PERSON
from lib.annotations.detections import read_detections
from lib.annotations.form import Annotations
from lib.annotations.tables import PersonTable
from lib.codecs.base import Output, build_codec, build_loss, halves
from lib.config.held_out import held_out_config
from lib.datasets.device_crops import device_crop_loader
from lib.datasets.mix import join_sets
from lib.datasets.selection import people_to_train_on
from lib.datasets.sources import read_people, source_skeleton
from lib.datasets.stages import PartStages
from lib.datasets.topdown import (
    PersonCrops,
    TrainCrops,
    crop_loader,
)
from lib.export import ExportedNetwork, FileNetwork
from lib.export.graph import Graph
from lib.models import trunk_pixels
from lib.structures.geometry import xywh_to_xyxy
from lib.structures.results import Poses
from lib.structures.skeleton import Skeleton
from lib.tasks.augmentation import build_stages
from lib.tasks.base import Batch, Evaluator, GivenBoxes, Loader, Pictures
from lib.tasks.data_task import DataTask
from lib.tasks.pixels import normalise
from lib.tasks.sets import shares, training_members
from lib.tasks.splits import (
    box_source,
    detector_file,
    read_labels,
    uses_truth,
)
from lib.tasks.teacher import Teacher, open_teacher
from lib.tasks.topdown_crops import PictureCrops, join_poses
from lib.tasks.topdown_file import (
    crop_graph,
    frame_to_image,
    is_decoded,
    output_shapes,
    reads_joints,
)
from lib.tasks.topdown_options import build_augmentation, decoding_device
from lib.tasks.topdown_people import refuse_untaught, training_people
from lib.tasks.transfer import HostCopy, index_on
from lib.tasks.views import paint_crop
from lib.utils.errors import ConfigError


class TopDownTask(DataTask):
    """The task of all networks that see one person at a time."""

    takes_boxes = True
    gives_heat = True
    painter = staticmethod(paint_crop)

    def __init__(self, cfg: CfgNode, skeleton: Skeleton | None = None) -> None:
        """Build the task of ``cfg``; ``skeleton`` is what the network of a mix predicts."""
        super().__init__(cfg, skeleton)
        self.codec = build_codec(cfg)
        self._loss = build_loss(cfg, self.codec)
        self._teacher: Teacher | None = None
        self._step = int(cfg.TEST.BATCH_SIZE_PER_GPU)
        self.pixels = trunk_pixels(cfg.MODEL).in_order(cfg.DATASET.COLOR_RGB)

    def prepare(self, device: torch.device) -> None:
        """Open the teacher, ``TRAIN.TEACHER``."""
        self._teacher = open_teacher(self.cfg, self.codec, self.skeleton, device, TopDownTask)
        if self._teacher is None:
            refuse_untaught(training_members(self.cfg))

    def build_train_dataset(self) -> TrainCrops:
        """Return augmented crops of the people of ``DATASET.TRAIN_SET``."""
        members = training_members(self.cfg)
        found = [training_people(one, self.sets, self.codec.input_size) for one in members]
        parts, skeletons = zip(*found, strict=True)
        builders = (partial(build_augmentation, skeleton=skeleton) for skeleton in skeletons)
        stages = [build_stages(one, build) for one, build in zip(members, builders, strict=True)]
        sizes = [len(part) for part in parts]
        return TrainCrops(
            join_sets(parts),
            PartStages.of(stages, sizes),
            shares=shares(members, sizes),
            input_size=self.codec.input_size,
            seed=self.cfg.SEED,
            unbiased=self.codec.unbiased,
            max_bad_images=self.cfg.DATASET.MAX_BAD_IMAGES,
            reduced=self.cfg.TRAIN.DECODE == "reduced",
        )

    def build_held_out_dataset(self) -> TrainCrops:
        """Return the people of ``DATASET.TEST_SET`` as they are."""
        skeleton = self.skeleton if self.cfg.DATASET.MIX else None
        return TopDownTask(held_out_config(self.cfg), skeleton).build_train_dataset()

    def collate(self, samples: dict[str, np.ndarray] | list[dict[str, Any]]) -> Batch:
        """Stack samples (`TrainCrops.batch` has done so); tensors with the batch in front."""
        if isinstance(samples, list):
            samples = {key: np.stack([one[key] for one in samples]) for key in samples[0]}
        return {key: torch.from_numpy(values) for key, values in samples.items()}

    def build_test_loader(self, rank: int = 0, world: int = 1) -> Loader:
        """Return the crops of ``DATASET.TEST_SET``, each image decoded once."""
        crops, step, device = self._test_crops, self._step, decoding_device(self.cfg)
        if device is not None:
            return device_crop_loader(crops, device, batch_size=step, rank=rank, world=world)
        return crop_loader(
            crops,
            batch_size=step,
            workers=self.cfg.WORKERS,
            rank=rank,
            world=world,
        )

    def loss_step(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Encode targets on the device and compare; ``_accuracy`` is the share of close joints."""
        images = self.shown(batch)
        targets, weights = self.codec.encode(batch["keypoints"], batch["visible"])
        factors = None
        if self.cfg.LOSS.USE_DIFFERENT_JOINTS_WEIGHT:
            factors = weights.new_tensor(self.skeleton.joint_weights)
            weights = weights * factors
        output = model(images)
        losses = self._loss(output, targets, weights)
        if self._teacher is not None:
            taught = partial(self._loss, output)
            losses = self._teacher.mix(losses, taught, batch["image"], factors)
        return {**losses, "_accuracy": self.codec.accuracy(output, targets, weights)}

    def shown(self, batch: Batch) -> Tensor:
        """Return the normalised pixels; see `Task.shown`."""
        return normalise(batch["image"], self.pixels)

    def predict_step(self, model: nn.Module, batch: Batch) -> Callable[[], Poses]:
        """Send a batch of crops through the network, mirrored too with ``TEST.FLIP_TEST``."""
        rows = batch["index"]
        joints = self.predict_crops(model, batch["image"], batch["crop"])

        def people() -> Poses:
            table = self.people
            return join_poses(
                [joints],
                table.scores[rows],
                image_ids=table.images.ids[table.image_index[rows]],
                boxes=xywh_to_xyxy(table.boxes[rows]),
                indices=rows,
                crops=self._test_crops.crops[rows],
            )

        return people

    def predict_images(self, model: nn.Module, images: Pictures, boxes: GivenBoxes) -> Poses:
        """Return the poses of several images, all their people in common batches.

        ``image_ids`` are the numbers of the images, from 0.
        """
        device = next(model.parameters()).device
        people = PictureCrops(images, boxes, self.codec, self._step)
        if not len(people.crops):
            return Poses.empty(self.num_joints)
        crops = torch.from_numpy(people.crops)
        joints = [  # the device computes one batch while the next is cut
            self.predict_crops(model, torch.from_numpy(pixels).to(device), crops[rows].to(device))
            for rows, pixels in people
        ]
        return join_poses(
            joints,
            image_ids=people.owners,
            boxes=people.boxes,
            indices=np.arange(len(crops)),
            crops=people.crops,
        )

    def heat(
        self,
        model: nn.Module,
        image: np.ndarray,
        boxes: np.ndarray | None = None,
        joints: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Return the strongest map of any joint and person at every pixel; see `Task.heat`."""
        device = next(model.parameters()).device
        people = PictureCrops([image], [boxes], self.codec, self._step)
        answers = (self._answer(model, torch.from_numpy(pixels).to(device)) for _, pixels in people)
        return people.heat(answers, joints)

    def graph(self, model: nn.Module, *, decode: bool = False) -> Graph:
        """Return the network itself, for crops; or what reads their joints, too."""
        return crop_graph(model, self.cfg, self.codec, self.skeleton if decode else None)

    def adopt(self, file: ExportedNetwork) -> FileNetwork:
        """Return the file, if it is of the sizes and for the test of the configuration."""
        decoded = is_decoded(file.card, flip=self.cfg.TEST.FLIP_TEST)
        self.gives_heat = not decoded
        shapes = (output_shapes if decoded else self.codec.output_shapes)(self.num_joints)
        file.check_sizes([*self.codec.input_size], shapes)
        return file

    def describe(self) -> dict[str, Any]:
        """Return codec, colour order, joints and boxes, as a weights file remembers them.

        ``outputs`` are the shapes of what the network answers, by name, without the batch.
        """
        cfg, shapes = self.cfg, self.codec.output_shapes(self.num_joints)
        return {
            "task": "topdown",
            "codec": cfg.MODEL.TARGET_TYPE,
            **self.pixels.describe(),
            "joints": list(self.skeleton.joints),
            "boxes": box_source(cfg),
            "flip": cfg.TEST.FLIP_TEST,
            "outputs": {name: list(shape) for name, shape in shapes.items()},
            **self.codec.describe(),
        }

    def build_evaluator(self) -> Evaluator:
        """Return the evaluator of the data set: COCO, CrowdPose or MPII."""
        return self._evaluator(
            in_vis_thre=self.cfg.TEST.IN_VIS_THRE,
            oks_thre=self.cfg.TEST.OKS_THRE,
            soft_nms=self.cfg.TEST.SOFT_NMS,
            rescore_poses=self.cfg.TEST.RESCORE,
        )

    def predict_crops(self, model: nn.Module, images: Tensor, crops: Tensor) -> HostCopy:
        """Return (N, K, 3) ``x, y, score`` to come; nothing here waits for the device.

        Args:
            model: the network, in evaluation mode, on the device of ``images``.
            images: (N, H, W, 3) uint8 crops, blue-green-red.
            crops: (N, 4) float32 ``centre x, centre y, width, height`` of each crop in its image.
        """
        if reads_joints(model):
            points, scores = model(normalise(images, self.pixels))
            keypoints = frame_to_image(points, crops, self.codec)
        else:
            keypoints, scores = self.codec.decode_to_image(self._answer(model, images), crops)
        return HostCopy(torch.cat([keypoints, scores[..., None]], dim=2))

    def _answer(self, model: nn.Module, images: Tensor) -> Output:
        """Return what the network says of crops (N, H, W, 3) uint8; mirrored ones merged."""
        pixels = normalise(images, self.pixels)
        if not self.cfg.TEST.FLIP_TEST:
            return model(pixels)
        # One batch of both: half the launches, and fuller ones.
        direct, mirrored = halves(model(torch.cat([pixels, pixels.flip(3)])))
        index = index_on(pixels.device, self.skeleton.flip_index)
        return self.codec.merge_flipped(direct, mirrored, index)

    def labelled_skeleton(self) -> Skeleton:
        """Return the joints that the test split labels."""
        return self._truth[1]

    @cached_property
    def _test_crops(self) -> PersonCrops:
        size, unbiased = self.codec.input_size, self.codec.unbiased
        reduced = self.cfg.TEST.DECODE == "reduced"
        return PersonCrops(self.people, input_size=size, unbiased=unbiased, reduced=reduced)

    @cached_property
    def people(self) -> PersonTable:
        """The people of the test set: annotated boxes, or those of the detector file."""
        source = self.test_source
        annotated, skeleton = self._truth
        self.sets.check(skeleton, source)
        if uses_truth(self.cfg):
            if not source.has_truth:
                raise ConfigError(
                    f"{self.cfg.DATASET.TEST_SET} has no annotated boxes; set TEST.USE_GT_BBOX "
                    "false and TEST.COCO_BBOX_FILE to a detector file."
                )
            return annotated
        file = detector_file(self.cfg)
        category = self._annotations.category if self._annotations is not None else COCO_PERSON
        return read_detections(
            file, annotated.images, skeleton.num_joints, self.cfg.TEST.IMAGE_THRE, category
        )

    @cached_property
    def _truth(self) -> tuple[PersonTable, Skeleton]:
        if self._annotations is None:
            source = self.test_source
            return read_people(source, source_skeleton(source, self.cfg.DATASET.SKELETON))
        return people_to_train_on(self._annotations), self._annotations.skeleton

    @cached_property
    def _annotations(self) -> Annotations | None:
        """Everybody in the test set's file; None for MPII, which has another format."""
        if self.test_source.kind == "mpii":
            return None
        return read_labels(self.cfg, self.test_source)
