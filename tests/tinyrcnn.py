"""A small Keypoint R-CNN and toy targets for its tests."""

import torch
import yaml
from modelcfg import model_cfg

from lib.models import build_model

PLAIN = {
    "HEAD": "plain",
    "LEVELS": ["0", "1", "2", "3"],
    "ENLARGE": 1.0,
    "ZERO_PAD": False,
}
TINY = {
    "BACKBONE": {"DEPTH": 18, "NORM": "BN", "TRAINABLE_LAYERS": 5},
    "FPN": {"OUT_CHANNELS": 16},
    "RPN": {"PRE_NMS_TRAIN": 200, "PRE_NMS_TEST": 100, "POST_NMS_TRAIN": 60, "POST_NMS_TEST": 40},
    "ROI": {"BATCH": 24, "FC_DIM": 32, "SAMPLING_RATIO": 2},
    "KEYPOINT": {"DIM": 16, "CONVS": 2, "GCM": {"EVERY": 2}},
    "INPUT": {"MIN_TRAIN": [96], "MIN_TEST": 96, "MAX": 160},
}


def merged(base, changes):
    """Return ``base`` with nested ``changes``."""
    out = dict(base)
    for key, value in changes.items():
        inner = out.get(key)
        out[key] = merged(inner, value) if isinstance(inner, dict) else value
    return out


def tiny_rcnn(changes=None, joints=5, seed=0):
    """Return a network of 0.5 M parameters; ``changes`` to its EXTRA."""
    torch.manual_seed(seed)
    extra = merged(TINY, changes or {})
    return build_model(model_cfg("keypoint_rcnn", joints, extra))


def target(boxes, joints=5, image_id=7, visibility=2.0):
    """Return a target with joints spread over the diagonal of every box."""
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    share = torch.linspace(0.1, 0.9, joints)[None, :, None]
    points = boxes[:, None, :2] + share * (boxes[:, None, 2:] - boxes[:, None, :2])
    flags = torch.full((len(boxes), joints, 1), visibility)
    return {
        "boxes": boxes,
        "labels": torch.ones(len(boxes), dtype=torch.long),
        "keypoints": torch.cat((points, flags), dim=2),
        "image_id": torch.tensor(image_id),
    }


def write_config(folder, synthpose, **train):
    """Write a YAML of the small network on a ``synthpose`` data set; return its path."""
    settings = {
        "DATASET": {"DATASET": "coco", "ROOT": str(synthpose / "coco"), "COLOR_RGB": True},
        "MODEL": {"NAME": "keypoint_rcnn", "EXTRA": TINY},
        "TRAIN": {"OPTIMIZER": "sgd", "LR": 0.01, "LR_STEP": [], "MAX_ITER": 4, "EVAL_PERIOD": 2},
        "TEST": {"BATCH_SIZE_PER_GPU": 2},
        "WORKERS": 0,
        "OUTPUT_DIR": str(folder / "output"),
        "LOG_DIR": str(folder / "log"),
    }
    settings["TRAIN"] |= {"BATCH_SIZE_PER_GPU": 2, "CHECKPOINT_PERIOD": 2, **train}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path
