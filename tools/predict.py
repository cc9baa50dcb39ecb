"""Find people on pictures and videos: ``python tools/predict.py SOURCE --model NAME``.

NAME is one of the zoo (``tools/zoo.py list``), a weight file with a model card, a run folder or
``hub:ORG/NAME``; ``--cfg FILE TEST.MODEL_FILE w.pth`` takes any other weights. A top-down model
named so that gets neither boxes nor a detector uses the zoo's own detector.

SOURCE is an image, a folder, a quoted pattern, a video, a camera number, or - for a list of names
on the standard input. Below --out lie ``predictions.json`` (described in lib/video/records.py),
painted pictures or a video, and COCO results if asked for; files of an earlier call move to
earlier-<n>/ there. Photographs are turned upright as their EXIF says.
"""

from __future__ import annotations

import argparse
import logging
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm
from yacs.config import CfgNode

from lib.annotations.categories import COCO_PERSON
from lib.annotations.form import Annotations
from lib.config import load_config
from lib.config.cli import config_parser, find_weights, parse_config, parse_words, run_folders
from lib.config.pretrained import find_model
from lib.datasets.sources import read_source, source_skeleton
from lib.structures.drawing import draw_poses
from lib.structures.palettes import PALETTES
from lib.structures.results import PoseResult
from lib.utils.aside import set_aside
from lib.utils.cli import run_tool
from lib.utils.errors import ConfigError, DataError, UserError
from lib.utils.lock import FolderLock
from lib.utils.logging import setup_logging
from lib.video.boxes import DETECTORS, Boxes, FileBoxes, OwnDetector, WholeFrame, usable_boxes
from lib.video.records import ListFile, coco_entry, frame_entry, person_entry, prediction_file
from lib.video.sinks import PictureFolder, VideoFile
from lib.video.smoothing import PoseSmoother
from lib.video.sources import Frame, ImageSource, VideoSource, in_batches, open_source
from lib.video.tracking import OksTracker
from lib.zoo.index import load_index

if TYPE_CHECKING:
    from lib.api import PoseEstimator

logger = logging.getLogger(__name__)

PREDICTING = "predicting.lock"  # not a training's: each may work in the other's folder


class Steady:
    """Numbers people from frame to frame and smooths them, as far as the flags ask."""

    def __init__(self, args: argparse.Namespace, estimator: PoseEstimator, rate: float) -> None:
        wanted = args.track or args.smooth
        self._tracker = OksTracker(estimator.skeleton.sigmas) if wanted else None
        self._smoother = PoseSmoother(rate) if args.smooth else None

    def update(
        self, keypoints: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the joints (N, K, 2) of the next frame and its people's numbers, if any."""
        if self._tracker is None:
            return keypoints, None
        numbers = self._tracker.update(keypoints, scores)
        if self._smoother is not None:
            keypoints = self._smoother.update(numbers, keypoints)
        return keypoints, numbers


def count(text: str) -> int:
    """Return a number of frames from 1, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"wants a number from 1, got {text}")
    return number


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    subject = ("source", "image, folder, pattern, video, camera number, or -")
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
    add("--frames", type=count, default=8, help="frames held at a time (default: 8)")
    add("--track", action="store_true", help="number people from frame to frame")
    add("--smooth", action="store_true", help="steady joints over time; implies --track")
    add("--no-pictures", action="store_true", help="write JSON only")
    add("--coco", action="store_true", help="write COCO results, too: coco_results.json")
    add("--style", default="coco", choices=PALETTES, help="colours (default: coco)")
    add("--threshold", type=float, default=0.3, help="least score of a painted joint")
    add("--outline", action="store_true", help="paint boxes")
    add("--labels", action="store_true", help="write scores beside people")
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
    known = data_set(cfg) if args.coco or args.boxes else None
    boxes = build_boxes(args, estimator, known)
    name_pictures(source, known, boxes)
    with ExitStack() as stack:
        stack.enter_context(FolderLock(out, "predicting", name=PREDICTING))
        earlier = set_aside(out, output_names(args.source))
        if earlier is not None:
            logger.info("moved the files of an earlier call to %s", earlier)
        file = stack.enter_context(
            prediction_file(out / "predictions.json", *about(args, cfg, estimator))
        )
        coco = stack.enter_context(ListFile(out / "coco_results.json")) if args.coco else None
        sink = None if args.no_pictures else stack.enter_context(build_sink(args, source, out))
        steady = Steady(args, estimator, source.rate)
        total = min(filter(None, (source.total, args.limit)), default=None)
        bar = stack.enter_context(tqdm(total=total, unit="frame", desc="predict"))
        people, category = 0, 1 if known is None else known.category.id
        for frames in in_batches(islice(source, args.limit), args.frames):
            for frame, found, scores in predict(frames, estimator, boxes, args.min_score):
                entries = describe(found, scores, steady)
                people += len(entries)
                file.add(frame_entry(frame, entries))
                for entry in entries if coco is not None else ():
                    coco.add(coco_entry(frame, entry, category))  # type: ignore[union-attr]
                if sink is not None:
                    sink.add(frame, paint(frame, entries, estimator, args))
            bar.update(len(frames))
        done = bar.n
    if not done:
        raise DataError(f"No frame of {args.source} could be read.")
    if isinstance(boxes, FileBoxes) and not boxes.used:
        raise DataError(f"{args.boxes} has no box for any of these frames: check names and ids.")
    where = "" if sink is None else f" and {sink.path}"
    left_out = f", {source.unreadable} unreadable files left out" if source.unreadable else ""
    print(f"{people} people on {done} frames{left_out}: {file.path}{where}")
    return file.path


def choose_model(
    args: argparse.Namespace, overrides: list[str], argv: list[str] | None
) -> tuple[CfgNode, Path]:
    """Return configuration and weights of the model that the flags name.

    Raises:
        ConfigError: they name none, or two.
    """
    if bool(args.cfg) == bool(args.model):
        raise ConfigError("Give either --model NAME or --cfg FILE.")
    if args.model:
        return find_model(args.model, overrides)
    cfg, _ = parse_config(build_parser(), argv)
    return cfg, find_weights(cfg, run_folders(cfg, args.cfg)[0])


def output_names(source: str) -> tuple[str, ...]:
    """Return the names of what is written for a source; a video's is never the source's own."""
    return ("predictions.json", "coco_results.json", "pictures", f"{Path(source).stem}_poses.mp4")


def check_source(source: str, out: Path) -> None:
    """Refuse a source that lies where the output goes.

    Raises:
        ConfigError: it does.
    """
    given = Path(source).absolute()
    taken = [(out / name).absolute() for name in output_names(source)]
    if any(path == given or path in given.parents for path in taken):
        raise ConfigError(f"'{source}' is where the output goes: give another --out.")


def data_set(cfg: CfgNode) -> Annotations | None:
    """Return the annotations that a model is tested on, which may know the pictures; None if gone.

    Pictures that they list keep their ids in results, and boxes may name them so.
    """
    from lib.tasks.splits import build_source

    source = build_source(cfg, train=False)
    if source.kind == "mpii" or not source.annotation.is_file():
        return None
    try:
        return read_source(source, source_skeleton(source, cfg.DATASET.SKELETON))
    except UserError as error:
        logger.info("pictures are not looked for in the data set: %s", error)
        return None


def name_pictures(
    source: ImageSource | VideoSource, known: Annotations | None, boxes: Boxes | None
) -> None:
    """Give pictures the ids of the data set where it lists them, and hold boxes against them.

    Raises:
        DataError: the box file has none of the pictures, or one of its names may be several.
    """
    if not isinstance(source, ImageSource) or not source.names:
        return
    if known is not None and source.use_ids(known.images):
        logger.info("the pictures have the ids of %s", known.path)
    if isinstance(boxes, FileBoxes):
        boxes.match(source.names, source.ids)


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
    if args.model and not args.detector:
        args.detector = load_index().detector
        logger.info(
            "people are found by %s; --detector names another, none takes pictures as people",
            args.detector,
        )
    if not args.detector or args.detector == "none":
        logger.info("no boxes and no detector: one person per frame, who fills it")
        return WholeFrame()
    name = args.detector_name
    return open_detector(args.detector, estimator.device, args.min_box_score, name)


def build_sink(
    args: argparse.Namespace, source: ImageSource | VideoSource, out: Path
) -> PictureFolder | VideoFile:
    """Return a video for a video, a folder of pictures for pictures."""
    if source.is_video:
        return VideoFile(out / output_names(args.source)[-1], source.rate)
    return PictureFolder(out / "pictures")


def about(
    args: argparse.Namespace, cfg: CfgNode, estimator: PoseEstimator
) -> tuple[str, dict[str, Any], Any]:
    """Return source, model card and skeleton for the head of the JSON file."""
    boxes = args.boxes or args.detector or args.detector_cfg or "whole frame"
    card = {**estimator.task.describe(), "name": cfg.MODEL.NAME}
    if estimator.task.takes_boxes:
        card["boxes"] = boxes
    return args.source, card, estimator.skeleton


def predict(
    frames: list[Frame], estimator: PoseEstimator, boxes: Boxes | None, min_score: float
) -> list[tuple[Frame, list[PoseResult], list[float] | None]]:
    """Return each frame with its people and the scores of their boxes."""
    images = [frame.image for frame in frames]
    if boxes is None:
        found = estimator.predict_batch(images)
        scores: list[Any] = [None] * len(frames)
    else:
        tables = [
            usable_boxes(table, frame)
            for table, frame in zip(boxes.find(frames), frames, strict=True)
        ]
        found = estimator.predict_batch(images, [table[:, :4] for table in tables])
        scores = [table[:, 4].tolist() for table in tables]
    rows = []
    for frame, people, known in zip(frames, found, scores, strict=True):
        kept = [n for n, person in enumerate(people) if person.score >= min_score]
        rows.append(
            (frame, [people[n] for n in kept], None if known is None else [known[n] for n in kept])
        )
    return rows


def describe(
    people: list[PoseResult], box_scores: list[float] | None, steady: Steady
) -> list[dict[str, Any]]:
    """Return the people of the next frame as the JSON file has them."""
    joints = len(people[0].keypoints) if people else 0
    keypoints = np.array([person.keypoints for person in people]).reshape(len(people), joints, 2)
    scores = np.array([person.keypoint_scores for person in people]).reshape(len(people), joints)
    keypoints, numbers = steady.update(keypoints, scores)
    return [
        person_entry(
            keypoints[n],
            scores[n],
            person.score,
            person.box,
            box_score=None if box_scores is None else box_scores[n],
            track=None if numbers is None else int(numbers[n]),
        )
        for n, person in enumerate(people)
    ]


def paint(
    frame: Frame, people: list[dict[str, Any]], estimator: PoseEstimator, args: argparse.Namespace
) -> np.ndarray:
    """Return the frame with its people painted on it."""
    if not people:
        return frame.image
    triples = np.array([person["keypoints"] for person in people])
    return draw_poses(
        frame.image,
        triples[..., :2],
        triples[..., 2],
        estimator.skeleton,
        palette=args.style,
        threshold=args.threshold,
        boxes=np.array([person["box"] for person in people]) if args.outline else None,
        labels=[label(person, args.labels) for person in people],
        fade=args.fade,
    )


def label(person: dict[str, Any], with_score: bool) -> str:
    """Return number and score of a person, as far as there are any to show."""
    parts = [f"#{person['track']}"] if "track" in person else []
    return " ".join([*parts, *([f"{person['score']:.2f}"] if with_score else [])])


if __name__ == "__main__":
    run_tool(main)
