"""Make run folders as tools/train.py and tools/test.py leave them, without training anything."""

import json
import math

import cv2
import numpy as np
from textbook.random_coco import random_coco

from lib.evaluation import evaluate_coco
from lib.structures.skeleton import load_skeleton


def make_data(folder, images=6, seed=0, missing=None):
    """Write images and a COCO annotation file; return (annotation file, image folder, rows)."""
    dataset, rows = random_coco(seed, images=images, areas=(3_000.0, 60_000.0))
    dataset["categories"][0]["keypoints"] = list(load_skeleton("coco").joints)
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    for image in dataset["images"]:
        image["file_name"] = f"{image['id']:012d}.jpg"
        if image["id"] != missing:
            noise = rng.integers(0, 255, (30, 40, 3), np.uint8)
            pixels = cv2.resize(noise, (image["width"], image["height"]))
            cv2.imwrite(str(folder / "images" / image["file_name"]), pixels)
    file = folder / "person_keypoints_val2017.json"
    file.write_text(json.dumps(dataset))
    return file, folder / "images", rows


def make_run(folder, annotation, rows, **report):
    """Write metrics.json, metrics.jsonl and the results of a run; return the folder."""
    (folder / "results").mkdir(parents=True)
    (folder / "results/keypoints_val2017_results_0.json").write_text(json.dumps(rows))
    metrics = evaluate_coco(annotation, rows)
    content = {
        "metrics": {k: None if math.isnan(v) else v for k, v in metrics.items()},
        "dataset": "coco val2017",
        "boxes": "annotated",
        "flip": True,
        "codec": "gaussian",
        "color_rgb": True,
        "weights": "model_best.pth",
        "people": len(rows),
        "seconds": {"load": 1.5, "predict": 3.0, "gather": 0.01, "evaluate": 0.2},
    }
    (folder / "metrics.json").write_text(json.dumps(content | report))
    lines = []
    for step in range(10, 110, 10):
        lines.append(
            {"kind": "train", "epoch": step // 50, "step": step, "loss": 1 / step}
            | {"heatmap": 1 / step, "_accuracy": step / 200, "lr": 0.001, "samples_per_s": 20.0}
        )
        if step % 50 == 0:
            lines.append(
                {"kind": "val", "epoch": step // 50, "step": step, "AP": step / 200}
                | {"AP (M)": None, "seconds": {"load": 1.0}}
            )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text + '{"kind": "tra')  # cut off by a kill
    return folder
