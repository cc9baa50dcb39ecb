"""Resident memory of ``tools/predict.py`` along a long video made of pictures.

    python tests/scripts/predict_memory.py --images data/coco/images/val2017 --frames 5000

Writes a video that pans over the pictures, each for two seconds, lets the tool find, track, smooth
and paint people on it with a small network of random weights, and asks the system for the memory of
that process all along.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from lib.config import load_config
from lib.models import build_model

CONFIG = "experiments/synthpose/quickstart.yaml"
SIZE = (320, 240)
SHOWN = 50  # frames of one picture


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10.0, help="between two looks")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_video(folder / "pan.mp4", args.images, args.frames)
        torch.manual_seed(0)
        torch.save(build_model(load_config(CONFIG)).state_dict(), folder / "weights.pth")
        command = [sys.executable, "tools/predict.py", folder / "pan.mp4", "--cfg", CONFIG]
        command += [
            "--out",
            folder / "out",
            "--detector",
            "none",
            "--smooth",
            "--min-score",
            "-9",
            "--threshold",
            "-9",
        ]
        command += [f"TEST.MODEL_FILE={folder}/weights.pth"]
        start = time.monotonic()
        process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
        print("seconds  written  resident memory")
        while process.poll() is None:
            time.sleep(args.seconds)
            look(process.pid, folder / "out/predictions.json", time.monotonic() - start)
    return process.returncode


def write_video(file, images, frames):
    pictures = sorted(images.glob("*.jpg"))
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, SIZE)
    for n in range(frames):
        if n % SHOWN == 0:
            picture = cv2.imread(str(pictures[n // SHOWN % len(pictures)]))
            picture = cv2.resize(picture, (SIZE[0] + SHOWN, SIZE[1] + SHOWN))
        shift = n % SHOWN
        part = picture[shift : shift + SIZE[1], shift : shift + SIZE[0]]
        writer.write(np.ascontiguousarray(part))
    writer.release()


def look(process, file, seconds):
    """Print the memory of a process and how much of its JSON file is written."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
    except (OSError, IndexError):  # it has ended
        return
    written = file.stat().st_size / 2**20 if file.is_file() else 0.0
    print(f"{seconds:7.0f}  {written:4.1f} MB  {resident:12.1f} MB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
