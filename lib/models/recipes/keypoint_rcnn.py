"""``keypoint_rcnn``: one-stage pose estimation, published baseline and improved model.

He et al. 2017, Mask R-CNN; arXiv 2301.04842 for ``KEYPOINT.HEAD: gcm``, pooled from level 0 with
boxes enlarged by 1.3. Weights keep torchvision's names, so that its files load as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yacs.config import CfgNode

from lib.models.recipes.keypoint_rcnn_keys import TorchvisionNames
from lib.models.registry import RECIPES, Recipe
from lib.structures.pixels import Pixels
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from lib.models.rcnn.network import KeypointRCNN
    from lib.models.rcnn.roi_heads import KeypointRoIHeads
    from lib.models.rcnn.rpn import KeypointRPN

NUM_CLASSES = 2  # background, person
LEVELS = ("0", "1", "2", "3")  # strides 4, 8, 16, 32

EXTRA = CfgNode(
    {
        "BACKBONE": {
            "DEPTH": 50,  # ResNet 18 | 34 | 50 | 101 | 152
            "NORM": "FrozenBN",  # FrozenBN with pretrained weights | BN to train from nothing
            "NORM_EPS": 1e-5,  # torchvision's COCO checkpoint wants 0
            "TRAINABLE_LAYERS": 3,  # stages that train, from the last; 5 = all
            "STRIDE_IN_1X1": False,  # True for original MSRA weights
            "TIMM": "",  # a network of timm's in place of the ResNet; of the others NORM counts
        },
        "FPN": {"OUT_CHANNELS": 256},
        "RPN": {
            "PRE_NMS_TRAIN": 2000,  # boxes per level
            "PRE_NMS_TEST": 1000,
            "POST_NMS_TRAIN": 1500,  # boxes per image; 1000 cost box AP
            "POST_NMS_TEST": 1000,
            "NMS": 0.7,
            "BATCH": 256,  # anchors sampled per image
            "SMOOTH_L1_BETA": 0.0,
            "ROUND_ANCHORS": False,  # True for torchvision's COCO checkpoint
        },
        "ROI": {
            "BATCH": 512,  # boxes sampled per image
            "POS_FRACTION": 0.25,
            "FG_IOU": 0.5,
            "BOX_BETA": 0.5,
            "POOL": 7,
            "FC_DIM": 1024,
            "ALIGNED": True,  # half-pixel centres; False for torchvision's COCO checkpoint
            "SAMPLING_RATIO": 0,  # samples per cell and axis, 0 adaptive; torchvision 2
        },
        "KEYPOINT": {
            "HEAD": "gcm",  # gcm (improved) | plain (baseline)
            "LEVELS": ["0"],  # maps to pool from; the baseline uses 0, 1, 2, 3
            "POOL": 14,
            "ENLARGE": 1.3,  # boxes grow by this; the baseline 1.0
            "ZERO_PAD": True,  # zeros outside the batch tensor; the baseline's boxes stay inside
            "CONVS": 8,
            "DIM": 512,
            "GCM": {
                "EVERY": 4,  # convolutions between two modules
                "HEADS": 4,  # of a module
                "BN_INIT": "uniform",  # uniform | one: scales of its batch-norms at the start
            },
            "LOSS_NORM": "visible",  # visible | static (with LOSS_WEIGHT 4)
            "LOSS_WEIGHT": 1.0,
            "FILTER_NO_VISIBLE": True,  # train on boxes with a labelled joint inside only
        },
        "INPUT": {
            "MIN_TRAIN": [640, 672, 704, 736, 768, 800],  # shorter side in pixels, one is drawn
            "MIN_TEST": 800,
            "MAX": 1333,  # longer side
            "MEAN": [],  # of values in [0, 1]; empty = the backbone's own
            "STD": [],
            "MIN_KEYPOINTS": 1,  # labelled joints a training image must have; torchvision took 10
            "GROUP_ASPECT": True,  # a batch holds wide images or tall ones, for less padding
        },
        "TEST": {
            "SCORE_THRESH": 0.05,
            "NMS": 0.5,
            "DETECTIONS": 100,  # per image
            "DECODE": "bicubic",  # bicubic | fast
            "CLIP": False,  # clamp joints to the image
            "RESCORE": False,  # person score = box score x mean probability of its sure joints
            "OKS_NMS": 0.0,  # > 0: drop poses more alike than this, after rescoring
        },
    }
)
CHOICES = {
    "BACKBONE.DEPTH": (18, 34, 50, 101, 152),
    "BACKBONE.NORM": ("FrozenBN", "BN"),
    "BACKBONE.TRAINABLE_LAYERS": (0, 1, 2, 3, 4, 5),
    "KEYPOINT.HEAD": ("gcm", "plain"),
    "KEYPOINT.GCM.BN_INIT": ("uniform", "one"),
    "KEYPOINT.LOSS_NORM": ("visible", "static"),
    "TEST.DECODE": ("bicubic", "fast"),
}


def build(model: CfgNode) -> KeypointRCNN:
    """Return the network that ``MODEL`` describes; see ``KeypointRCNN.forward``.

    Raises:
        ConfigError: a value of ``MODEL.EXTRA`` is not among those known, or does not fit another.
    """
    from lib.models.rcnn.network import KeypointRCNN
    from lib.models.rcnn.transform import PoseTransform

    extra = model.EXTRA
    check(extra)
    backbone, own = _backbone(extra), pixels(model)
    network = KeypointRCNN(
        backbone,
        _rpn(extra),
        _roi_heads(extra, model.NUM_JOINTS),
        PoseTransform(
            extra.INPUT.MIN_TRAIN,
            extra.INPUT.MIN_TEST,
            extra.INPUT.MAX,
            mean=own.mean,
            std=own.std,
        ),
        num_classes=NUM_CLASSES,
        num_joints=model.NUM_JOINTS,
    )
    network.key_map = TorchvisionNames(
        extra.KEYPOINT.HEAD == "gcm", getattr(backbone.body, "key_map", None)
    )
    return network


def pixels(model: CfgNode) -> Pixels:
    """Return what ``INPUT`` says, for the rest what the backbone declares.

    Raises:
        ConfigError: timm has no such network, or the numbers are impossible.
    """
    given, name = model.EXTRA.INPUT, model.EXTRA.BACKBONE.TIMM
    own = Pixels()
    if name:
        from lib.models.backbones.timm_trunk import TimmTrunk

        try:
            own = TimmTrunk.pixels(name)
        except ValueError as error:
            raise ConfigError(f"MODEL.EXTRA.BACKBONE.TIMM: {error}.") from error
    try:
        return replace(own, mean=tuple(given.MEAN) or own.mean, std=tuple(given.STD) or own.std)
    except ValueError as error:
        raise ConfigError(f"MODEL.EXTRA.INPUT: {error}.") from error


def _backbone(extra: CfgNode) -> Any:
    """Return the trunk with its pyramid: a ResNet, or what ``BACKBONE.TIMM`` names."""
    from lib.models.rcnn.trunk import TimmPyramid, resnet_fpn

    body, channels = extra.BACKBONE, extra.FPN.OUT_CHANNELS
    if body.TIMM:
        try:
            return TimmPyramid(body.TIMM, freeze_bn=body.NORM == "FrozenBN", out_channels=channels)
        except ValueError as error:
            raise ConfigError(f"MODEL.EXTRA.BACKBONE.TIMM: {error}.") from error
    return resnet_fpn(
        body.DEPTH,
        norm=body.NORM,
        norm_eps=body.NORM_EPS,
        trainable_layers=body.TRAINABLE_LAYERS,
        stride_in_1x1=body.STRIDE_IN_1X1,
        out_channels=channels,
    )


def check(extra: CfgNode) -> None:
    """Refuse values that no part knows, and combinations that contradict one another.

    Raises:
        ConfigError: names the key, what was wanted and what came.
    """
    for path, known in CHOICES.items():
        node = extra
        *parents, name = path.split(".")
        for parent in parents:
            node = node[parent]
        if node[name] not in known:
            wanted = ", ".join(str(value) for value in known)
            raise ConfigError(f"MODEL.EXTRA.{path} must be one of {wanted}, got {node[name]}.")
    if not extra.INPUT.MIN_TRAIN:
        raise ConfigError("MODEL.EXTRA.INPUT.MIN_TRAIN must list at least one size, got none.")
    head = extra.KEYPOINT
    if not head.LEVELS or list(head.LEVELS) != [n for n in LEVELS if n in head.LEVELS]:
        raise ConfigError(
            f"MODEL.EXTRA.KEYPOINT.LEVELS must be some of {list(LEVELS)} in that order, "
            f"got {list(head.LEVELS)}."
        )
    if head.HEAD == "gcm" and head.DIM % head.GCM.HEADS:
        raise ConfigError(
            f"MODEL.EXTRA.KEYPOINT.DIM {head.DIM} must be a multiple of GCM.HEADS "
            f"{head.GCM.HEADS}, the channels of a head times their number."
        )


def _rpn(extra: CfgNode) -> KeypointRPN:
    from lib.models.rcnn.rpn import ANCHOR_RATIOS, KeypointRPN, KeypointRPNHead, PyramidAnchors

    rpn = extra.RPN
    return KeypointRPN(
        PyramidAnchors(rounded=rpn.ROUND_ANCHORS),
        KeypointRPNHead(extra.FPN.OUT_CHANNELS, len(ANCHOR_RATIOS)),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=rpn.BATCH,
        positive_fraction=0.5,
        pre_nms_top_n={"training": rpn.PRE_NMS_TRAIN, "testing": rpn.PRE_NMS_TEST},
        post_nms_top_n={"training": rpn.POST_NMS_TRAIN, "testing": rpn.POST_NMS_TEST},
        nms_thresh=rpn.NMS,
        smooth_l1_beta=rpn.SMOOTH_L1_BETA,
    )


def _roi_heads(extra: CfgNode, num_joints: int) -> KeypointRoIHeads:
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.models.detection.keypoint_rcnn import KeypointRCNNPredictor

    from lib.models.rcnn.pooler import FixedStridePooler
    from lib.models.rcnn.roi_heads import KeypointOptions, KeypointRoIHeads

    roi, head, test = extra.ROI, extra.KEYPOINT, extra.TEST
    channels = extra.FPN.OUT_CHANNELS
    sampling = {"sampling_ratio": roi.SAMPLING_RATIO, "aligned": roi.ALIGNED}
    return KeypointRoIHeads(
        FixedStridePooler(LEVELS, roi.POOL, **sampling),
        TwoMLPHead(channels * roi.POOL**2, roi.FC_DIM),
        FastRCNNPredictor(roi.FC_DIM, NUM_CLASSES),
        fg_iou_thresh=roi.FG_IOU,
        bg_iou_thresh=roi.FG_IOU,
        batch_size_per_image=roi.BATCH,
        positive_fraction=roi.POS_FRACTION,
        bbox_reg_weights=None,  # 10, 10, 5, 5
        score_thresh=test.SCORE_THRESH,
        nms_thresh=test.NMS,
        detections_per_img=test.DETECTIONS,
        keypoint_roi_pool=FixedStridePooler(
            head.LEVELS, head.POOL, zero_pad=head.ZERO_PAD, **sampling
        ),
        keypoint_head=_keypoint_head(head, channels),
        keypoint_predictor=KeypointRCNNPredictor(head.DIM, num_joints),
        options=KeypointOptions(
            enlarge=head.ENLARGE,
            filter_no_visible=head.FILTER_NO_VISIBLE,
            loss_norm=head.LOSS_NORM,
            loss_weight=head.LOSS_WEIGHT,
            decode=test.DECODE,
            clip=test.CLIP,
            box_beta=roi.BOX_BETA,
        ),
    )


def _keypoint_head(head: CfgNode, in_channels: int) -> nn.Module:
    from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads

    from lib.models.heads.keypoint_gcm import KeypointGCMHead

    if head.HEAD == "plain":
        return KeypointRCNNHeads(in_channels, (head.DIM,) * head.CONVS)
    return KeypointGCMHead(
        in_channels,
        head.DIM,
        head.CONVS,
        gcm_every=head.GCM.EVERY,
        heads=head.GCM.HEADS,
        size=head.POOL,
        bn_init=head.GCM.BN_INIT,
    )


RECIPES.register("keypoint_rcnn")(
    Recipe(
        task="rcnn",
        extra=EXTRA,
        build=build,
        key_map=TorchvisionNames(),
        table="macs + attention / 1e9",
        pixels=pixels,
    )
)
