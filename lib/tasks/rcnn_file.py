"""Files of Keypoint R-CNN: what they compute, and how they stand for the network."""

from __future__ import annotations

import torch
from torch import Tensor

from lib.codecs.roi_heatmap import enlarge_boxes
from lib.export import ExportedNetwork, FileNetwork
from lib.models.rcnn.roi_heads import KeypointOptions, read_joints
from lib.models.rcnn.transform import PoseTransform
from lib.utils.errors import ConfigError

Found = list[dict[str, Tensor]]


class DetectorFile(FileNetwork):
    """A file of `DetectionGraph` with the call and the answer of ``KeypointRCNN``.

    Images go through the file one by one, at their own size: nothing is padded but to the multiple
    of 32 that the network needs.

    Args:
        file: images (1, 3, H, W), resized and normalised -> boxes, scores, logits or joints.
        transform: resizes and normalises.
        options: how joints are read.
        flip: whether a test averages with the mirrored image.

    Raises:
        ConfigError: the file was exported for the other kind of test.
    """

    def __init__(
        self,
        file: ExportedNetwork,
        transform: PoseTransform,
        options: KeypointOptions,
        *,
        flip: bool,
    ) -> None:
        super().__init__()
        self.card, self.runtime, self.on_cpu = file.card, file.runtime, file.on_cpu
        if bool(self.card.get("flip", flip)) != flip:
            raise ConfigError(
                f"The file was exported with TEST.FLIP_TEST {not flip}, which is a part of what it "
                f"computes; set TEST.FLIP_TEST {not flip}, or export it again."
            )
        self._file, self._transform, self._options = file, transform, options

    def forward(self, images: list[Tensor], flip_index: Tensor | None = None) -> Found:
        """Return the people of each image as ``KeypointRCNN`` does; ``flip_index`` is not read."""
        return [self._people(image) for image in images]

    def _people(self, image: Tensor) -> dict[str, Tensor]:
        shown, _ = self._transform.resize(self._transform.normalize(image), None)
        size = (shown.shape[1], shown.shape[2])
        boxes, scores, joints = self._file(shown[None])
        if not len(boxes):
            joints = boxes.new_zeros(0, joints.shape[1], 3)
        elif joints.ndim == 4:  # logits
            regions = [enlarge_boxes(boxes, self._options.enlarge)]
            joints, _ = read_joints(joints, regions, [size], self._options)
        found = {"boxes": boxes, "scores": scores, "keypoints": joints}
        original = (image.shape[1], image.shape[2])
        found["labels"] = torch.ones(len(boxes), dtype=torch.int64, device=boxes.device)
        return self._transform.postprocess([found], [size], [original])[0]
