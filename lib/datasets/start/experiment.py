"""An experiment YAML for a data set, upon one that is there."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lib.datasets.formats.coco import category_entry, seen_from
from lib.datasets.formats.labels import LabelSet
from lib.datasets.start.joints import KnownJoints
from lib.datasets.start.splits import Split
from lib.utils.errors import ConfigError
from lib.utils.files import fault_in

SMALL = "experiments/synthpose/quickstart.yaml"  # learns within minutes on two cores
BATCH, STEPS = 16, 600  # of the small one: about what it needs to learn to find people
FEWEST_EPOCHS, MOST_EPOCHS = 8, 200


@dataclass(frozen=True)
class Plan:
    """What is written where.

    Attributes:
        name: of the data set.
        folder: that is written into.
        like: experiment whose network and recipe are taken; empty takes a small one.
    """

    name: str
    folder: Path
    like: str = ""


def write_start(labels: LabelSet, split: Split, known: KnownJoints, plan: Plan) -> list[Path]:
    """Write annotation files of a split and the experiment YAML; the last file is the YAML."""
    prefix = f"{split.name}_" if split.name else ""
    files = []
    for side in ("train", "val", "test"):
        places = split.places(side)
        if places:
            files.append(plan.folder / f"{prefix}{side}.json")
            _write_side(labels, known, places, files[-1])
    people = _jointed(labels, set(split.places("train")))
    text = experiment_yaml(labels, known, plan, prefix, people)
    ending = f"_{split.name}" if split.name else ""
    files.append(plan.folder / f"{plan.name}{ending}.yaml")
    files[-1].write_text(text, encoding="utf-8")
    return files


def experiment_yaml(
    labels: LabelSet, known: KnownJoints, plan: Plan, prefix: str, people: int
) -> str:
    """Return the text of the experiment.

    Args:
        labels: the data set.
        known: its joints.
        plan: names and places.
        prefix: of the annotation files.
        people: that are trained on.

    Raises:
        ConfigError: the experiment to start from is not there.
    """
    base = Path(plan.like) if plan.like else _repository() / SMALL
    if not base.is_file():
        raise ConfigError(f"There is no experiment {base}{fault_in(base)}; give one by --like.")
    tree: dict[str, Any] = {"_BASE_": seen_from(base, plan.folder)}
    pictures = from_here(labels.folder)
    data: dict[str, Any] = {
        "DATASET": "custom",
        "ROOT": from_here(plan.folder),
        "ANNOTATION": f"{prefix}train.json",
        "IMAGES": pictures,
        "ANNOTATION_TEST": f"{prefix}val.json",
        "IMAGES_TEST": pictures,
        "TRAIN_SET": "train",
        "TEST_SET": "val",
        "SKELETON": from_here(plan.folder / "skeleton.yaml"),
    }
    model: dict[str, Any] = {"NUM_JOINTS": known.skeleton.num_joints}
    test: dict[str, Any] = {"USE_GT_BBOX": True, "COCO_BBOX_FILE": ""}
    tree |= {"DATASET": data, "MODEL": model, "TEST": test}
    if not known.skeleton.flip_pairs and known.skeleton.num_joints > 1:
        data["FLIP"] = 0.0
        test["FLIP_TEST"] = False
    if not plan.like:
        model |= _shape(labels)
        tree["TRAIN"] = _length(people)
    head = f"# {plan.name}: {people} people to train on; written by tools/data/init.py.\n"
    return head + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, default_flow_style=None)


def from_here(path: Path) -> str:
    """Return a path as commands from here find it; a whole one where it is elsewhere."""
    whole = path.resolve()
    return (
        whole.relative_to(Path.cwd()).as_posix() if whole.is_relative_to(Path.cwd()) else str(whole)
    )


def _repository() -> Path:
    return Path(__file__).resolve().parents[3]


def _jointed(labels: LabelSet, places: set[int]) -> int:
    ids = {labels.images[n]["id"] for n in places}
    return sum(p["num_keypoints"] > 0 for p in labels.people if p["image_id"] in ids)


def _write_side(labels: LabelSet, known: KnownJoints, places: list[int], file: Path) -> None:
    images = [labels.images[n] for n in places]
    ids = {image["id"] for image in images}
    content = {
        "info": {"images": seen_from(labels.folder, file.parent)},
        "images": images,
        "annotations": [p for p in labels.people if p["image_id"] in ids],
        "categories": [category_entry(entry, known.skeleton) for entry in labels.categories],
    }
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _shape(labels: LabelSet) -> dict[str, Any]:
    """Return input and map sizes of the small network, lying where most boxes lie."""
    sides = np.array([p["bbox"][2:] for p in labels.people if p["num_keypoints"]] or [[1.0, 2.0]])
    ratio = float(np.median(sides[:, 0] / np.maximum(sides[:, 1], 1)))
    if ratio > 1.25:
        return {"IMAGE_SIZE": [96, 64], "HEATMAP_SIZE": [24, 16]}
    square = {"IMAGE_SIZE": [80, 80], "HEATMAP_SIZE": [20, 20]}
    return square if ratio > 0.8 else {"IMAGE_SIZE": [64, 96], "HEATMAP_SIZE": [16, 24]}


def _length(people: int) -> dict[str, Any]:
    batch = max(1, min(BATCH, people // 2))
    epochs = math.ceil(STEPS / max(1, people // batch))
    epochs = min(max(epochs, FEWEST_EPOCHS), MOST_EPOCHS)
    return {"BATCH_SIZE_PER_GPU": batch, "END_EPOCH": epochs, "EVAL_PERIOD": max(1, epochs // 4)}
