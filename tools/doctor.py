"""Say what is installed, what is there, and what to mend: ``python tools/doctor.py --cfg FILE``.

Without ``--cfg`` only packages, device and disk are looked at. Exit code 0 if nothing is wrong, 1
otherwise.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path

import cv2
from yacs.config import CfgNode

from lib.annotations.tables import ImageTable
from lib.config import load_config
from lib.config.cli import find_weights, run_folders, run_weights
from lib.datasets.inspection import inspect_people
from lib.datasets.sources import read_people, read_source, source_skeleton
from lib.utils.cli import run_tool
from lib.utils.errors import UserError
from lib.utils.exif import is_hidden, orientation
from lib.utils.images import HIDDEN_TURN, read_bytes
from lib.zoo.resolve import is_reference

GOOD, NOTE, BAD = "ok", "note", "FIX"
Finding = tuple[str, str]  # one of the three, and a sentence
NEEDED = (
    "torch", "torchvision", "yacs", "numpy", "opencv-python", "pycocotools", "json_tricks",
    "scipy", "tensorboardX", "timm", "tqdm", "matplotlib",
)  # fmt: skip
OPTIONAL = {
    "faster-coco-eval": "TEST.EVALUATOR fast cannot be chosen: pip install -e '.[fast]'",
    "onnx": "tools/export.py cannot write ONNX: pip install -e '.[export]'",
    "onnxruntime": "ONNX files cannot be run: pip install -e '.[export]'",
}
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")
LITTLE_DISK = 5 * 2**30  # bytes
SAMPLED = 20  # images that are opened


def main(argv: list[str] | None = None) -> bool:
    """Print the findings; return whether nothing is wrong."""
    parser = argparse.ArgumentParser(description="Say what is there and what to mend.")
    parser.add_argument("--cfg", metavar="FILE", help="look at the data and weights of this YAML")
    parser.add_argument(
        "--require-gpu",
        dest="keys",
        action="append_const",
        const="REQUIRE_GPU=true",
        help="with --cfg: FIX if this YAML would run on the CPU",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY VALUE", help="keys to override")
    args = parser.parse_args(argv)
    healthy = section("packages", packages)
    healthy &= section("machine", machine)
    if args.cfg:
        cfg = load_config(args.cfg, [*args.overrides, *(args.keys or [])])
        healthy &= section("device", lambda: device_of(cfg))
        healthy &= data_of(cfg)
        healthy &= section("weights", lambda: weights_of(cfg, args.cfg))
    print("\nnothing to fix" if healthy else "\nmend what is marked FIX")
    return healthy


def data_of(cfg: CfgNode) -> bool:
    """Look at the data set, or at each of a mix and at the joints that they have together."""
    from lib.config.variants import member_configs
    from lib.tasks.sets import has_split

    healthy = not cfg.DATASET.MIX or section("joints of the mix", lambda: joints_of(cfg))
    for one in member_configs(cfg):
        name = f" {one.DATASET.NAME}" if cfg.DATASET.MIX else ""
        for train, title in ((True, "training data"), (False, "test data")):
            if not name or has_split(one, train=train):
                healthy &= section(title + name, partial(people_of, one, train=train))
        if not name or has_split(one, train=False):
            healthy &= section("boxes" + name, partial(boxes_of, one))
    return healthy


def joints_of(cfg: CfgNode) -> Iterator[Finding]:
    """Say what the network of a mix predicts, and what each set labels of it."""
    from lib.config.variants import member_configs
    from lib.structures.union import joint_places
    from lib.tasks.sets import member_skeleton, network_skeleton

    target = network_skeleton(cfg)
    if target is None:
        return
    yield GOOD, f"{target.num_joints} joints: {', '.join(target.joints)}"
    for one in member_configs(cfg):
        places = set(joint_places(member_skeleton(one), target, one.DATASET.RENAME).tolist())
        lacks = [joint for k, joint in enumerate(target.joints) if k not in places]
        yield GOOD, f"{one.DATASET.NAME} does not label {', '.join(lacks) or 'nothing of them'}"


def section(title: str, check: Callable[[], Iterator[Finding]]) -> bool:
    """Print what a check finds; its errors are findings, too."""
    print(title)
    healthy = True
    try:
        for kind, sentence in check():
            print(f"  {kind:4} {sentence}")
            healthy &= kind != BAD
    except UserError as error:
        print(f"  {BAD:4} {error}")
        return False
    return healthy


def packages() -> Iterator[Finding]:
    """Look for the packages of requirements.txt and of the extras."""
    yield GOOD, f"Python {platform.python_version()} on {platform.platform()}"
    for name in NEEDED:
        found = version(OPENCV if name == OPENCV[0] else (name,))
        if found is None:
            yield BAD, f"{name} is missing: pip install -r requirements.txt"
        else:
            yield GOOD, f"{name} {found}"
    for name, loss in OPTIONAL.items():
        found = version((name,))
        yield (GOOD, f"{name} {found}") if found else (NOTE, f"{name} is not there; {loss}")


def version(names: tuple[str, ...]) -> str | None:
    """Return the version of the first package that is installed."""
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def machine() -> Iterator[Finding]:
    """Look at processors, GPUs and disk."""
    from lib.engine.device import why_no_gpu
    from lib.engine.hardware import devices_here

    found = list(devices_here())
    yield GOOD, f"{os.cpu_count()} cores of {found[0]}"
    yield from ((GOOD, device) for device in found[1:])
    if len(found) == 1:
        yield NOTE, f"{why_no_gpu()}: everything runs, training is slow"
    if version(("onnxruntime", "onnxruntime-gpu")):
        import onnxruntime

        yield GOOD, f"ONNX files can run in {', '.join(onnxruntime.get_available_providers())}"
    free = shutil.disk_usage(Path.cwd()).free
    kind = GOOD if free > LITTLE_DISK else NOTE
    yield kind, f"{free / 2**30:.0f} GiB free in {Path.cwd()}"
    if not cv2.useOptimized():
        yield NOTE, "OpenCV runs without its fast paths (cv2.useOptimized())"


def device_of(cfg: CfgNode) -> Iterator[Finding]:
    """Say where this YAML would run; what REQUIRE_GPU refuses is a finding."""
    from lib.engine.device import build_precision, setup_device
    from lib.engine.hardware import describe_device

    device, gpus = setup_device(cfg)
    yield GOOD, describe_device(device, build_precision(cfg, device), gpus)


def people_of(cfg: CfgNode, *, train: bool) -> Iterator[Finding]:
    """Look at annotations and images of a split."""
    from lib.tasks.splits import NO_PAIRS, build_source, mirrors_unpaired

    source = build_source(cfg, train=train)
    skeleton = source_skeleton(source, cfg.DATASET.SKELETON)
    everyone = None if source.kind == "mpii" else read_source(source, skeleton)
    people, skeleton = read_people(source, skeleton)
    counted = f"{len(people.images)} images, {len(people)} people with joints"
    yield GOOD, f"{source.annotation}: {counted}, {skeleton.num_joints} joints ({skeleton.name})"
    joined = cfg.MODEL.SKELETON or cfg.DATASET.NAME  # by name, see `joints_of`
    if skeleton.num_joints != cfg.MODEL.NUM_JOINTS and not joined:
        yield BAD, f"MODEL.NUM_JOINTS is {cfg.MODEL.NUM_JOINTS}, set it to {skeleton.num_joints}"
    if not len(people) and source.has_truth:
        yield BAD, "nobody has an annotated joint"
    if train and mirrors_unpaired(cfg, skeleton):
        yield BAD, NO_PAIRS
    if everyone is not None:
        yield from ((NOTE, str(d)) for d in everyone.decisions if not d.usual)
        for kind, rows in inspect_people(everyone.people, skeleton).items():
            ids = ", ".join(str(everyone.label(row)) for row in rows[:3].tolist())
            yield NOTE, f"{len(rows)} annotations: {kind} (ids {ids} ...); see browse_dataset.py"
    step = max(1, len(people.images) // SAMPLED)
    chosen = list(range(0, len(people.images), step))[:SAMPLED]
    damaged = [error for row in chosen if (error := unreadable(people.images, row))]
    hidden = [people.images.path(row) for row in chosen if has_hidden_turn(people.images, row)]
    if hidden:
        yield NOTE, f"of {len(hidden)} sampled images ({hidden[0]}) {HIDDEN_TURN}"
    yield from ((BAD, error) for error in damaged[:3])
    kind = BAD if damaged else GOOD
    yield kind, f"{len(chosen) - len(damaged)} of {len(chosen)} sampled images can be read"


def unreadable(images: ImageTable, row: int) -> str | None:
    """Return why an image cannot be used, None if it can."""
    try:
        images.read(row)
    except UserError as error:
        return str(error)
    return None


def has_hidden_turn(images: ImageTable, row: int) -> bool:
    """Return whether an image is turned by EXIF in a way that its size does not show."""
    size = images.size(row)
    try:
        return size is not None and is_hidden(orientation(read_bytes(images.path(row))), size)
    except UserError:  # `unreadable` says it
        return False


def boxes_of(cfg: CfgNode) -> Iterator[Finding]:
    """Look for the detector file, if a test wants one."""
    from lib.tasks.build import task_kind
    from lib.tasks.splits import build_source, detector_file

    if cfg.TEST.USE_GT_BBOX or build_source(cfg, train=False).kind == "mpii":
        yield GOOD, "a test uses annotated boxes"
    elif task_kind(cfg) != "topdown":
        yield GOOD, "the model finds people itself"
    else:
        file = detector_file(cfg)
        there = file.is_file()
        yield (GOOD, str(file)) if there else (BAD, f"{file} is not there (TEST.COCO_BBOX_FILE)")


def weights_of(cfg: CfgNode, cfg_file: str) -> Iterator[Finding]:
    """Look for the weights that training starts from, and try those that a test would use."""
    from lib.api import PoseEstimator

    start = cfg.MODEL.PRETRAINED
    if start:
        there = Path(start).is_file()
        if not there and is_reference(start):
            yield NOTE, f"MODEL.PRETRAINED {start} is fetched when training starts, unless cached"
        else:
            words = "" if there else " is missing"
            yield (GOOD if there else BAD), f"MODEL.PRETRAINED {start}{words}"
    else:
        yield NOTE, "MODEL.PRETRAINED is empty: training starts from random weights"
    folder, _ = run_folders(cfg, cfg_file)
    if not cfg.TEST.MODEL_FILE and run_weights(folder) is None:
        yield NOTE, f"nothing trained in {folder} yet"
        return
    weights = find_weights(cfg, folder)
    PoseEstimator.from_config(cfg, weights, device="cpu")
    yield GOOD, f"{weights} fits the model"


if __name__ == "__main__":
    for shown_below in ("lib.annotations", "lib.utils.images"):
        logging.getLogger(shown_below).setLevel(logging.ERROR)
    run_tool(lambda: sys.exit(0 if main() else 1))
