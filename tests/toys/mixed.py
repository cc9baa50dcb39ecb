"""The three forms of synthpose as the data sets of one run."""

import yaml


def write_mix(path, synthpose):
    """Change a YAML on the COCO form to one on all three; a set keeps its own probability."""
    content = yaml.safe_load(path.read_text())
    content["MODEL"]["NUM_JOINTS"] = 23
    content["DATASET"]["MIX"] = [
        {"DATASET": "coco", "ROOT": f"{synthpose}/coco", "TRAIN_SET": "train2017",
         "TEST_SET": "val2017"},
        {"DATASET": "mpii", "ROOT": f"{synthpose}/mpii", "TRAIN_SET": "train", "TEST_SET": "valid",
         "FLIP": 0.0},
        {"NAME": "crowd", "DATASET": "crowdpose", "ROOT": f"{synthpose}/crowdpose",
         "TRAIN_SET": "trainval", "TEST_SET": "test"},
    ]  # fmt: skip
    path.write_text(yaml.safe_dump(content))
