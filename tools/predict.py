"""Find people on pictures and videos: ``python tools/predict.py SOURCE [--model NAME]``.

NAME is one of the zoo (``tools/zoo.py list``), a weight file with a model card, a run folder or
``hub:ORG/NAME``; ``--cfg FILE TEST.MODEL_FILE w.pth`` takes any other weights. Without either, the
zoo's own choice is used, if it has one. A top-down model that gets neither boxes nor a detector
uses the zoo's detector, and ``--detector none`` takes each picture as one person; the zoo's own
choice works without any, too: for one person per picture.

SOURCE is an image, a folder, a quoted pattern, a video, a camera number, an address (rtsp://,
http://), or - for a list of names on the standard input. Where frames of a camera or stream come
faster than people are found, some are dropped and counted. Below --out lie ``predictions.json``
(described in lib/video/records.py), painted pictures or a video, and COCO results if asked for;
files of an earlier call move to earlier-<n>/ there. Photographs are turned upright as their EXIF
says.
"""

from __future__ import annotations

import argparse
import logging
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm
from yacs.config import CfgNode

from lib.annotations.categories import COCO_PERSON
from lib.annotations.form import Annotations
from lib.config import load_config
from lib.config.cli import config_parser, find_weights, parse_config, parse_words, run_folders
from lib.config.pretrained import find_model
from lib.structures.palettes import PALETTES
from lib.utils.aside import set_aside
from lib.utils.cli import count, run_tool
from lib.utils.errors import ConfigError, DataError, WeightsError
from lib.utils.lock import FolderLock
from lib.utils.logging import setup_logging
from lib.video.boxes import DETECTORS, Boxes, FileBoxes, LookAgain, OwnDetector, WholeFrame
from lib.video.known import known_pictures, name_pictures
from lib.video.painting import Painter, choose_joints, select_joints
from lib.video.records import ListFile, prediction_file
from lib.video.sinks import PictureFolder, VideoFile
from lib.video.sources import (
    ImageSource,
    VideoSource,
    is_address,
    open_source,
    public_name,
    source_name,
)
from lib.video.writing import FrameWriter, Steady
from lib.zoo.index import load_index

if TYPE_CHECKING:
    from lib.api import PoseEstimator
    from lib.video.stream import FramePeople, PeopleStream

logger = logging.getLogger(__name__)

PREDICTING = "predicting.lock"  # not a training's: each may work in the other's folder
INSTEAD = "give --boxes, another --detector, or --detector none for one person per picture"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    subject = ("source", "image, folder, pattern, video, camera number, address, or -")
    parser = config_parser("Find people on pictures and videos.", subject, required=False)
    add = parser.add_argument
    add("--model", metavar="NAME", help="a trained model that needs no --cfg: zoo, file, folder")
    add("--out", default="output/predict", metavar="DIR", help="default: output/predict")
    add("--boxes", metavar="FILE", help="JSON: COCO detections, or {name: [[x1,y1,x2,y2,score]]}")
    add("--detector", metavar="NAME", help="a person detector: zoo, .onnx, .pth; or none")
    add("--detector-cfg", metavar="FILE", help="YAML of ours that --detector belongs to")
    add("--detector-name", choices=DETECTORS, default=DETECTORS[0], help="whose .pth it is")
    add("--min-box-score", type=float, default=0.3, help="least score of a box (default: 0.3)")
    add("--min-score", type=float, default=0.1, help="least score of a person (default: 0.1)")
    add("--frames", type=count, default=8, help="frames at a time; as many may wait (default: 8)")
    add("--track", action="store_true", help="number people from frame to frame")
    add("--smooth", action="store_true", help="steady joints over time; implies --track")
    add("--no-pictures", action="store_true", help="write JSON only")
    add("--coco", action="store_true", help="write COCO results, too: coco_results.json")
    add("--style", default="coco", choices=PALETTES, help="colours (default: coco)")
    add("--threshold", type=float, default=0.3, help="least score of a painted joint")
    add("--outline", action="store_true", help="paint boxes")
    add("--labels", action="store_true", help="write scores beside people")
    add("--joints", default="", metavar="NAMES", help="paint and write these: nose,left_*")
    add("--black", action="store_true", help="paint on black instead of the pictures")
    add("--heatmap", action="store_true", help="show the network's maps; takes twice the time")
    add("--fade", action="store_true", help="paint joints the fainter the lower they score")
    add("--limit", type=count, metavar="N", help="stop after N frames")
    return parser


def main(argv: list[str] | None = None) -> Path:
    """Predict every frame; return the JSON file."""
    args, overrides = parse_words(build_parser(), argv)
    setup_logging()
    source = open_source(args.source)
    out = Path(args.out)
    check_source(args.source, out)
    cfg, weights = choose_model(args, overrides, argv)

    from lib.api import PoseEstimator

    estimator = PoseEstimator.from_config(cfg, weights)
    painter = build_painter(args, estimator)
    known = known_pictures(cfg) if args.coco or args.boxes else None
    boxes = build_boxes(args, estimator, known)
    name_pictures(source, known, boxes)
    with ExitStack() as stack:
        stack.enter_context(FolderLock(out, "predicting", name=PREDICTING))
        earlier = set_aside(out, output_names(args.source))
        if earlier is not None:
            logger.info("moved the files of an earlier call to %s", earlier)
        stream = estimator.stream(source, boxes, frames=args.frames, limit=args.limit)
        stack.enter_context(stream)
        file = open_file(out / "predictions.json", args, cfg, estimator, painter)
        writer = FrameWriter(
            stack.enter_context(file),
            painter,
            Steady(estimator.skeleton, source.rate, track=args.track, smooth=args.smooth),
            stack.enter_context(ListFile(out / "coco_results.json")) if args.coco else None,
            None if args.no_pictures else stack.enter_context(build_sink(args, source, out)),
            category=1 if known is None else known.category.id,
            min_score=args.min_score,
            heat=partial(show_heat, estimator, boxes, painter) if args.heatmap else None,
        )
        total = min(filter(None, (source.total, args.limit)), default=None)
        for found in tqdm(stream, total=total, unit="frame", desc="predict"):
            writer.add(found)
    if not stream.count:
        raise DataError(f"No frame of {public_name(args.source)} could be read.")
    if isinstance(boxes, FileBoxes) and not boxes.used:
        raise DataError(f"{args.boxes} has no box for any of these frames: check names and ids.")
    print(summary(writer, stream))
    return writer.file.path


def summary(writer: FrameWriter, stream: PeopleStream) -> str:
    """Return what was found, what is missing, and where everything lies, in one line."""
    text = f"{writer.people} people on {stream.count} frames"
    if writer.unsure:
        text += f" ({writer.unsure} more below --min-score {writer.min_score:g})"
    if unreadable := stream.source.unreadable:
        text += f", {unreadable} unreadable files left out"
    if stream.dropped:
        text += f", {stream.dropped} more frames dropped"
    where = "" if writer.sink is None else f" and {writer.sink.path}"
    return f"{text}: {writer.file.path}{where}"


def choose_model(
    args: argparse.Namespace, overrides: list[str], argv: list[str] | None
) -> tuple[CfgNode, Path]:
    """Return configuration and weights of the model that the flags name.

    Raises:
        ConfigError: they name none, or two.
    """
    name = args.model or ("" if args.cfg else load_index().pose)
    if bool(args.cfg) == bool(name):
        raise ConfigError("Give either --model NAME or --cfg FILE.")
    if name:
        if not args.model:
            logger.info("model: %s; --model names another, see tools/zoo.py list pose", name)
        return find_model(name, overrides)
    cfg, _ = parse_config(build_parser(), argv)
    return cfg, find_weights(cfg, run_folders(cfg, args.cfg)[0])


def output_names(source: str) -> tuple[str, ...]:
    """Return the names of what is written for a source; a video's is never the source's own."""
    return ("predictions.json", "coco_results.json", "pictures", f"{source_name(source)}_poses.mp4")


def check_source(source: str, out: Path) -> None:
    """Refuse a source that lies where the output goes.

    Raises:
        ConfigError: it does.
    """
    if is_address(source):
        return
    given = Path(source).absolute()
    taken = [(out / name).absolute() for name in output_names(source)]
    if any(path == given or path in given.parents for path in taken):
        raise ConfigError(f"'{source}' is where the output goes: give another --out.")


def build_boxes(
    args: argparse.Namespace, estimator: PoseEstimator, known: Annotations | None = None
) -> Boxes | None:
    """Return the box source that the flags name; None for models that find people themselves.

    Raises:
        ConfigError: the flags contradict each other or the model.
    """
    from lib.api import PoseEstimator, open_detector

    if not estimator.task.takes_boxes:
        if args.boxes or args.detector:
            raise ConfigError("This model finds people itself: leave out --boxes and --detector.")
        return None
    if args.boxes and args.detector:
        raise ConfigError("--boxes and --detector exclude each other.")
    if args.boxes:
        category = COCO_PERSON if known is None else known.category
        return FileBoxes(args.boxes, args.min_box_score, category)
    if args.detector_cfg:
        cfg: CfgNode = load_config(args.detector_cfg)
        weights = args.detector or find_weights(cfg, run_folders(cfg, args.detector_cfg)[0])
        return OwnDetector(PoseEstimator.from_config(cfg, weights), args.min_box_score)
    if not args.detector:
        return default_detector(args, estimator)
    if args.detector == "none":
        logger.info("no boxes and no detector: one person per frame, who fills it")
        return WholeFrame()
    name = args.detector_name
    return open_detector(args.detector, estimator.device, args.min_box_score, name)


def default_detector(args: argparse.Namespace, estimator: PoseEstimator) -> Boxes:
    """Return the zoo's detector, for a call that names none.

    Where it cannot be had, the model looks for one person itself, and a warning says so: what needs
    no download shall work without a network. A call that names published weights needs one anyway.

    Raises:
        ConfigError: the index has none.
        WeightsError: it cannot be had, and the call names a model by --model.
    """
    from lib.api import open_detector

    name = args.detector = load_index().detector
    if not name:
        raise ConfigError(f"The index names no detector: {INSTEAD}.")
    logger.info(
        "people are found by %s; --detector names another, none takes pictures as people", name
    )
    try:
        return open_detector(name, estimator.device, args.min_box_score)
    except WeightsError as error:
        if args.model:
            raise WeightsError(
                f"No boxes were given, and {name} is missing: {error} Or {INSTEAD}."
            ) from None
        logger.warning("%s", error)
        logger.warning(
            "so the model looks for ONE person per picture by itself, without a detector; several "
            "people want --boxes or --detector"
        )
        args.detector = "the model itself, one person"
        return LookAgain(estimator)


def build_sink(
    args: argparse.Namespace, source: ImageSource | VideoSource, out: Path
) -> PictureFolder | VideoFile:
    """Return a video for a video, a folder of pictures for pictures."""
    if source.is_video:
        return VideoFile(out / output_names(args.source)[-1], source.rate)
    return PictureFolder(out / "pictures")


def open_file(
    path: Path,
    args: argparse.Namespace,
    cfg: CfgNode,
    estimator: PoseEstimator,
    painter: Painter,
) -> ListFile:
    """Return the JSON file, with source, model card and the wanted joints at its head."""
    card = {**estimator.task.describe(), "name": cfg.MODEL.NAME}
    if estimator.task.takes_boxes:
        card["boxes"] = args.boxes or args.detector or args.detector_cfg or "whole frame"
    skeleton = select_joints(estimator.skeleton, painter.joints)
    return prediction_file(path, public_name(args.source), card, skeleton)


def build_painter(args: argparse.Namespace, estimator: PoseEstimator) -> Painter:
    """Return how the flags want people painted.

    Raises:
        ConfigError: a joint is unknown, or the model has nothing that --heatmap could show.
    """
    if args.heatmap and not estimator.task.gives_heat:
        raise ConfigError("--heatmap: this model has no maps of whole pictures; leave it out.")
    return Painter(
        estimator.skeleton,
        choose_joints(estimator.skeleton, args.joints),
        palette=args.style,
        threshold=args.threshold,
        outline=args.outline,
        scores=args.labels,
        fade=args.fade,
        black=args.black,
    )


def show_heat(
    estimator: PoseEstimator, boxes: Boxes | None, painter: Painter, found: FramePeople
) -> np.ndarray:
    """Return the network's maps over a frame (H, W), of the joints that are painted."""
    regions = None if boxes is None else np.array([person.box for person in found.people])
    return estimator.heat(found.frame.image, regions, painter.joints)


if __name__ == "__main__":
    run_tool(main)
