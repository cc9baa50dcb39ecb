"""A task small enough to train in milliseconds: find the bright pixel of a noisy image."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from lib.config.defaults import default_config
from lib.datasets.base import TrainData
from lib.structures.results import Poses
from lib.structures.skeleton import skeleton_from_dict
from lib.tasks.base import Task
from lib.utils.losses import SAMPLES

SIZE = (10, 12)  # height, width


class ToyNet(nn.Module):
    """Convolution, batch norm, dropout (it draws random numbers), convolution to one heatmap."""

    recomputable = ("norm", "drop")

    def __init__(self, dropout: float = 0.1, frozen_norm: bool = False):
        super().__init__()
        self.frozen_norm = frozen_norm
        self.conv = nn.Conv2d(3, 5, 3, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Conv2d(5, 1, 3, padding=1)
        self.table = nn.Parameter(torch.zeros(1, 1, *SIZE))

    def train(self, mode=True):
        super().train(mode)
        if self.frozen_norm:
            self.norm.eval()
        return self

    def no_weight_decay(self):
        return ["table"]

    def forward(self, images):
        return self.out(self.drop(self.norm(self.conv(images)).relu())) + self.table


class ToyData(TrainData):
    """Images whose noise is keyed by (epoch, index); ``broken`` maps an index to an action."""

    def __init__(self, size: int, broken: dict | None = None):
        self.size = size
        self.broken = broken or {}

    def __len__(self):
        return self.size

    def name(self, index):
        return f"picture {index}"

    def __getitem__(self, key):
        epoch, index = key
        action = self.broken.get(index, self.broken.get("any"))
        if action is not None:
            action(epoch)
        rng = np.random.default_rng([epoch, index])
        image = rng.normal(size=(3, *SIZE)).astype(np.float32)
        y, x = index % SIZE[0], (3 * index) % SIZE[1]
        image[:, y, x] += 8.0
        if self.broken.get("nan") == index:
            image[:] = np.nan
        return {"image": torch.from_numpy(image), "target": torch.tensor([y, x]), "index": index}


class ToyEvaluator:
    primary = "hits"

    def __init__(self):
        self.poses = []

    def update(self, poses):
        self.poses.append(poses)

    def compute(self):
        poses = Poses.concatenate(self.poses, 1)
        wanted = np.stack([(3 * poses.indices) % SIZE[1], poses.indices % SIZE[0]], axis=1)
        return {
            "hits": float((poses.keypoints[:, 0] == wanted).all(1).mean()),
            "people": len(poses),
        }

    def write(self, folder: Path):
        path = folder / "results" / "toy.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(self.compute()))
        return [path]


@dataclass
class ToyTask(Task):
    train_size: int = 13
    test_size: int = 7
    batch: int = 3
    dropout: float = 0.1
    num_joints: int = 1
    frozen_norm: bool = False
    groups: list | None = None
    broken: dict = field(default_factory=dict)
    on_predict: object = None

    def build_model(self):
        return ToyNet(self.dropout, self.frozen_norm)

    def build_train_dataset(self):
        return ToyData(self.train_size, self.broken)

    def build_held_out_dataset(self):
        return ToyData(self.test_size)

    def collate(self, samples):
        return {
            "image": torch.stack([sample["image"] for sample in samples]),
            "target": torch.stack([sample["target"] for sample in samples]),
            "index": [sample["index"] for sample in samples],
        }

    def group_ids(self):
        return self.groups

    def build_test_loader(self, rank=0, world=1):
        data = ToyData(self.test_size)
        keys = [(0, index) for index in range(rank, self.test_size, world)]
        return DataLoader([data[key] for key in keys], batch_size=2, collate_fn=self.collate)

    def loss_step(self, model, batch):
        maps = model(batch["image"])[:, 0].float()
        y, x = batch["target"].unbind(1)
        labels = y * SIZE[1] + x
        cross = nn.functional.cross_entropy(maps.flatten(1), labels)
        hits = (maps.flatten(1).argmax(1) == labels).float().mean()
        with torch.no_grad():
            own = nn.functional.cross_entropy(maps.flatten(1), labels, reduction="none")
            own = own + 0.01 * maps.square().mean(dim=(1, 2))
        size = 0.01 * maps.square().mean()
        return {"cross": cross, "size": size, "_hits": hits, SAMPLES: own}

    def predict_step(self, model, batch):
        if self.on_predict is not None:
            self.on_predict()
        best = model(batch["image"])[:, 0].float().flatten(1).argmax(1).cpu().numpy()
        count = len(best)
        poses = Poses.empty(1)
        keypoints = np.stack([best % SIZE[1], best // SIZE[1]], axis=1).astype(np.float32)
        indices = np.array(batch["index"], np.int64)
        boxes = np.zeros((count, 4), np.float32)
        ones = np.ones((count, 1), np.float32)
        return type(poses)(
            image_ids=indices,
            keypoints=keypoints[:, None],
            keypoint_scores=ones,
            scores=ones[:, 0],
            boxes=boxes,
            indices=indices,
            crops=boxes,
        )

    @property
    def skeleton(self):
        return skeleton_from_dict({"name": "toy", "joints": ["spot"]}, "toy")

    def predict_images(self, model, images, boxes):
        parts = []
        for number, (image, given) in enumerate(zip(images, boxes, strict=True)):
            if given is None or len(given):
                found = self.predict_image(model, image, given)
                numbers = np.full(len(found), number, np.int64)
                parts.append(replace(found, image_ids=numbers, indices=numbers))
        return Poses.concatenate(parts, self.num_joints)

    def predict_image(self, model, image, boxes=None):
        del model, boxes
        poses = Poses.empty(1)
        where = np.argwhere(image[..., 0] == 255)
        return Poses.concatenate([poses] + [spot_at(x, y) for y, x in where], 1)

    def build_evaluator(self):
        return ToyEvaluator()

    def describe(self):
        return {"task": "toy", "codec": "cross", "color_rgb": True, "joints": ["spot"]}


def spot_at(x, y):
    box = np.zeros((1, 4), np.float32)
    one = np.ones((1, 1), np.float32)
    point, nought = np.array([[[x, y]]], np.float32), np.zeros(1, np.int64)
    return Poses(nought, point, one, one[0], box, nought, box)


def toy_config(**train):
    """Return defaults for a run of seconds; keywords set ``TRAIN`` keys, or ``A__B`` others."""
    cfg = default_config()
    cfg.WORKERS, cfg.PRINT_FREQ = 0, 2
    cfg.TRAIN.BATCH_SIZE_PER_GPU, cfg.TRAIN.END_EPOCH, cfg.TRAIN.LR = 3, 4, 0.01
    cfg.TRAIN.LR_STEP = [2]
    cfg.TEST.SAMPLES = 0  # there are no images
    for key, value in train.items():
        node, _, name = key.rpartition("__")
        target = cfg.TRAIN if not node else cfg if node == "ROOT" else cfg[node]
        assert name in target, key
        target[name] = value
    return cfg
