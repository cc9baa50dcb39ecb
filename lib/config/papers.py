"""Which published work a key comes from."""

from __future__ import annotations

_BASELINES = "Xiao et al. 2018, Simple Baselines for Human Pose Estimation and Tracking"
_HRNET = "Sun et al. 2019, HRNet: Deep High-Resolution Representation Learning"
_HIGHER = "Cheng et al. 2020, HigherHRNet"
_TAGS = "Newell et al. 2017, Associative Embedding"
_SGDR = "Loshchilov and Hutter 2017, SGDR"
_WARMUP = "Goyal et al. 2017, Accurate, Large Minibatch SGD"
_RTMPOSE = "Jiang et al. 2023, RTMPose"

PAPERS = {
    "MODEL.TARGET_TYPE": (
        f"gaussian: {_BASELINES}; dark: Zhang et al. 2020, DARK; udp: Huang et al. 2020, UDP; "
        f"simcc: Li et al. 2022, SimCC, and {_RTMPOSE}; integral: Sun et al. 2018, Integral, and "
        "Nibali et al. 2018, DSNT; softargmax: Sun et al. 2018; "
        "megvii: Chen et al. 2018, Cascaded Pyramid Network"
    ),
    "MODEL.SIGMA": _BASELINES,
    "MODEL.SYNC_BN": "Peng et al. 2018, MegDet",
    "LOSS.USE_OHKM": "Chen et al. 2018, Cascaded Pyramid Network",
    "LOSS.TOPK": "Chen et al. 2018, Cascaded Pyramid Network",
    **dict.fromkeys(
        (
            "LOSS.WITH_AE_LOSS",
            "LOSS.AE_LOSS_TYPE",
            "LOSS.PUSH_LOSS_FACTOR",
            "LOSS.PULL_LOSS_FACTOR",
            "MODEL.TAG_PER_JOINT",
            "TEST.TAG_THRESHOLD",
            "TEST.DETECTION_THRESHOLD",
            "TEST.ADJUST",
            "TEST.REFINE",
            "TEST.WITH_AE",
        ),
        _TAGS,
    ),
    **dict.fromkeys(
        (
            "LOSS.NUM_STAGES",
            "LOSS.WITH_HEATMAPS_LOSS",
            "LOSS.HEATMAPS_LOSS_FACTOR",
            "DATASET.OUTPUT_SIZE",
            "TEST.WITH_HEATMAPS",
            "TEST.PROJECT2IMAGE",
        ),
        _HIGHER,
    ),
    "DATASET.PROB_HALF_BODY": "Wang et al. 2018, MSPN's half-body augmentation",
    "DATASET.NUM_JOINTS_HALF_BODY": "Wang et al. 2018, MSPN's half-body augmentation",
    **dict.fromkeys(("DATASET.SHIFT_FACTOR", "DATASET.PROB_SHIFT", "DATASET.DRAWS"), _RTMPOSE),
    **dict.fromkeys(("DATASET.SCALE_FACTOR", "DATASET.ROT_FACTOR"), _BASELINES),
    "DATASET.CUTOUT": "DeVries and Taylor 2017, Cutout",
    "DATASET.WITH_CENTER": _HIGHER,
    "TRAIN.WARMUP_EPOCHS": _WARMUP,
    "TRAIN.WARMUP_ITERS": _WARMUP,
    "TRAIN.WARMUP_FACTOR": _WARMUP,
    "TRAIN.LR_MIN": _SGDR,
    **dict.fromkeys(("TRAIN.FLAT", "TRAIN.EMA_RAMP"), _RTMPOSE),
    "TRAIN.RECOMPUTE": "Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost",
    "TRAIN.LAYER_DECAY": "Bao et al. 2022, BEiT",
    "TRAIN.LR_RULE": f"linear: {_WARMUP}; sqrt: Malladi et al. 2022, SDEs for adaptive methods",
    "TRAIN.OPTIMIZER": (
        "adam: Kingma and Ba 2015; adamw: Loshchilov and Hutter 2019, Decoupled Weight Decay"
    ),
    "TRAIN.SCHEDULER": f"cosine: {_SGDR}",
    "TRAIN.CLIP_NORM": "Pascanu et al. 2013, On the Difficulty of Training Recurrent Networks",
    "TRAIN.EMA": "Polyak and Juditsky 1992, Acceleration of Stochastic Approximation by Averaging",
    "TEST.SHIFT_HEATMAP": _BASELINES,
    "TEST.POST_PROCESS": _BASELINES,
    "TEST.FLIP_ALIGN": "Huang et al. 2020, UDP",
    "TEST.SOFT_ARGMAX": "Sun et al. 2018, Integral Human Pose Regression",
    "TEST.SOFT_ARGMAX_BETA": "Sun et al. 2018, Integral Human Pose Regression",
    **dict.fromkeys(("TEST.RESCORE", "TEST.IN_VIS_THRE", "TEST.OKS_THRE"), _HRNET),
    "TEST.SOFT_NMS": "Bodla et al. 2017, Soft-NMS",
    "MODEL.EXTRA.DROP_PATH_RATE": "Huang et al. 2016, Deep Networks with Stochastic Depth",
}


def paper_of(path: str) -> str:
    """Return the work that a key comes from, '' if none is known."""
    return PAPERS.get(path, "")
