"""Export every model that ships, and print the largest difference of each file as a table.

    python tests/scripts/export_table.py --side 128
    python tests/scripts/export_table.py --only hrformer lpn

For each experiment on COCO the network gets random weights and random batch-norm statistics (a
fresh initialisation leaves so little signal that its output is nearly constant), is exported
through ``tools/export.py``, and the files are compared with it on 1 and 3 random images there. The
published input sizes take long on a CPU; ``--side`` is the longer side of a crop and the side of
bottom-up images, 0 keeps the published ones. Experiments that differ in training only are left out.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from lib.config import load_config
from lib.models import build_model
from lib.models.registry import RECIPES

EXPERIMENTS = Path("experiments/coco")
LEFT_OUT = ("384x288", "640", "finetune", "softargmax", "keypoint_rcnn")  # the same networks again
KEPT = ("eeffposep2", "w48_640")  # networks that exist in that size only


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="part of the path")
    parser.add_argument("--format", nargs="+", default=["onnx", "torchscript"])
    args = parser.parse_args()
    print("| experiment | input | " + " | ".join(args.format) + " | seconds |", flush=True)
    print("|---|---|" + "---|" * (len(args.format) + 1))
    for path in chosen(args.only):
        start = time.monotonic()
        size, words = smaller(path, args.side)
        cells = differences(path, words, args.format)
        row = [str(path.relative_to(EXPERIMENTS)), size, *cells, f"{time.monotonic() - start:.0f}"]
        print("| " + " | ".join(row) + " |", flush=True)


def chosen(words):
    """Return the experiments to export: one for every network, and one that cannot be."""
    files = sorted(EXPERIMENTS.rglob("*.yaml"))
    names = [str(file) for file in files]
    kept = [
        name
        for name in names
        if any(word in name for word in KEPT) or not any(word in name for word in LEFT_OUT)
    ]
    kept.insert(0, str(EXPERIMENTS / "keypoint_rcnn/r50_fpn_3x.yaml"))
    kept.sort(key=lambda name: "ablation" in name)  # last
    return [Path(name) for name in kept if not words or any(word in name for word in words)]


def smaller(path, side):
    """Return the input's size as text and the overrides that make it."""
    cfg = load_config(path)
    task = RECIPES[cfg.MODEL.NAME].task
    if task == "bottomup":
        full = cfg.DATASET.INPUT_SIZE
        side = side or full
        outputs = [out * side // full for out in cfg.DATASET.OUTPUT_SIZE]
        return f"{side}x{side}", [f"DATASET.INPUT_SIZE={side}", f"DATASET.OUTPUT_SIZE={outputs}"]
    width, height = cfg.MODEL.IMAGE_SIZE
    if task == "rcnn" or not side:
        return f"{height}x{width}", []
    ratio = width // cfg.MODEL.HEATMAP_SIZE[0]
    multiple = 64 if "eeffpose" in str(path) else 32  # what the deepest map needs
    width, height = round(side * width / height / multiple) * multiple, side
    heatmap = [width // ratio, height // ratio]
    words = [f"MODEL.IMAGE_SIZE=[{width},{height}]", f"MODEL.HEATMAP_SIZE={heatmap}"]
    return f"{height}x{width}", words


def differences(path, words, formats):
    """Return the largest difference per format, or the sentence that says why there is none."""
    words = [*words, "MODEL.INIT_WEIGHTS=false"]
    with tempfile.TemporaryDirectory() as folder:
        source = ["--untrained"]
        if RECIPES[load_config(path).MODEL.NAME].task != "rcnn":
            torch.save(random_weights(path, words), f"{folder}/random.pth")
            source = [f"TEST.MODEL_FILE={folder}/random.pth"]
        command = [sys.executable, "tools/export.py", "--cfg", str(path), *source, *words]
        command += ["--out", f"{folder}/model", "--format"]
        done = subprocess.run([*command, *formats], capture_output=True, text=True, check=False)
        found = [text.split()[0] for text in done.stdout.split("largest difference ")[1:]]
    if done.returncode:
        why = f"exit {done.returncode}, {done.stderr.strip().splitlines()[-1]}"
        found += [why] * (len(formats) - len(found))
    return found


def random_weights(path, words):
    """Return a state dict whose every part matters to the output."""
    torch.manual_seed(0)
    network = build_model(load_config(path, words))
    shake(network)
    return network.state_dict()


def shake(network):
    """Give a network weights and statistics whose every part matters to the output."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)


if __name__ == "__main__":
    main()
