"""A run folder as ``tools/train.py`` and ``tools/test.py`` leave it, read and checked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.reading import annotation_kind
from lib.config import load_config
from lib.datasets.sources import Source, read_source, source_content
from lib.evaluation.coco_files import read_truth_file
from lib.evaluation.crowdpose import with_box_areas
from lib.evaluation.diagnosis import Diagnosis, diagnose
from lib.evaluation.table import read_table
from lib.structures.skeleton import Skeleton
from lib.tasks.splits import build_source, task_skeleton
from lib.utils.cli import amount
from lib.utils.errors import DataError
from lib.utils.files import read_json
from lib.utils.images import read_image


def run_flags(parser: argparse.ArgumentParser) -> None:
    """Add what pages about runs are told beside the folders: ``gt_anno, image_path, cases``."""
    add = parser.add_argument
    add("--gt-anno", default="", metavar="FILE", help="ground truth instead of config.yaml's")
    add("--image-path", default="", metavar="DIR", help="images instead of config.yaml's")
    add("--cases", type=amount, default=6, help="pictures of each sort (default: 6)")


@dataclass
class Run:
    """What a run folder says.

    Attributes:
        folder: the run folder.
        report: content of ``metrics.json``; before the first test, what the last evaluation during
            training said.
        history: lines of ``metrics.jsonl``, oldest first.
        settings: text of ``config.yaml``; empty if it is not there.
        source: files of the test split; None if nothing names them.
        skeleton: joints of the data set; None as long as only its files can tell.
        results: the newest predictions, if any.
    """

    folder: Path
    report: dict[str, Any]
    history: list[dict[str, Any]]
    settings: str
    source: Source | None
    skeleton: Skeleton | None
    results: Path | None

    @property
    def name(self) -> str:
        """The last two folders: model and experiment."""
        return "/".join(self.folder.resolve().parts[-2:])

    @property
    def metrics(self) -> dict[str, float | None]:
        """Scores by name; None where there was nothing to score."""
        return self.report.get("metrics", {})


@dataclass
class PoseAnalysis:
    """A diagnosed run.

    Attributes:
        diagnosis: its errors.
        skeleton: the joints.
        files: image id -> path of the image.
        sizes: image id -> ``(width, height)`` as annotated; None where a file does not say.
    """

    diagnosis: Diagnosis
    skeleton: Skeleton
    files: dict[Any, str]
    sizes: dict[Any, tuple[int, int] | None] = field(default_factory=dict)

    def pixels(self, image_id: Any) -> np.ndarray:
        """Return the pixels of an image, (H, W, 3) uint8 BGR, turned as they were annotated.

        Raises:
            UnreadableImageError: see ``read_image``.
        """
        return read_image(self.files[image_id], size=self.sizes.get(image_id))


def read_run(folder: str | Path, *, annotation: str = "", images: str = "") -> Run:
    """Read a run folder.

    Args:
        folder: holds ``metrics.json`` or ``metrics.jsonl``, and perhaps the rest.
        annotation: ground truth to use instead of the configuration's.
        images: folder of images to use instead of the configuration's.

    Raises:
        DataError: no such folder, nothing in it to report, or a damaged file.
        ConfigError: its ``config.yaml`` is wrong.
    """
    base = Path(folder)
    known = [name for name in ("metrics.json", "metrics.jsonl") if (base / name).is_file()]
    if not known:
        raise DataError(
            f"'{folder}' is not a run folder: it has neither metrics.json nor metrics.jsonl; run "
            "tools/train.py or tools/test.py first."
        )
    settings = base / "config.yaml"
    source, skeleton = None, None
    if settings.is_file():
        cfg = load_config(settings)
        if not cfg.DATASET.MIX:  # several splits have no errors in common
            source = build_source(cfg, train=False)
            if annotation:
                source = _given_source(annotation, images or source.images)
            skeleton = _skeleton(cfg, source)
    if source is None and annotation:
        source = _given_source(annotation, images)
    elif source is not None and images:
        source = replace(source, images=f"{images}/")
    history = read_history(base / "metrics.jsonl") if "metrics.jsonl" in known else []
    report = read_json(base / "metrics.json") if "metrics.json" in known else _last_report(history)
    return Run(
        folder=base,
        report=report,
        history=history,
        settings=settings.read_text(encoding="utf-8") if settings.is_file() else "",
        source=source,
        skeleton=skeleton,
        results=_newest_results(base),
    )


def analyse_poses(run: Run) -> PoseAnalysis | None:
    """Return the errors of a run's predictions; None without predictions or ground truth.

    Raises:
        DataError: predictions or ground truth are damaged or do not belong together.
    """
    source = run.source
    if source is None or source.kind == "mpii" or run.results is None:
        return None
    if run.results.suffix != ".json" or not source.annotation.is_file():
        return None
    # A file that lists images only, as those of test sets do, has nothing to analyse.
    truth = read_source(replace(source, has_truth=False), run.skeleton)
    if not truth.has_truth:
        return None
    if source.kind == "crowdpose":
        truth = with_box_areas(truth)
    table, _ = read_table(truth, run.results)
    labels = {truth.images.label(n): n for n in range(len(truth.images))}
    files = {label: truth.images.path(n) for label, n in labels.items()}
    sizes = {label: truth.images.size(n) for label, n in labels.items()}
    return PoseAnalysis(diagnose(table, truth.skeleton), truth.skeleton, files, sizes)


def shortest_names(folders: Sequence[Path]) -> list[str]:
    """Return the last parts of paths, as many as tell all of them apart."""
    whole = [folder.resolve().parts for folder in folders]
    length = 1
    while len({parts[-length:] for parts in whole}) < len(set(whole)):
        length += 1
    return ["/".join(parts[-length:]) for parts in whole]


def _given_source(annotation: str, images: str) -> Source:
    """Return a source of the kind that the annotation file's content shows."""
    separator = "" if images.endswith(("/", ".zip@")) or not images else "/"
    kind = annotation_kind(annotation)
    return Source(kind, Path(annotation), images + separator, has_truth=True)


def _skeleton(cfg: Any, source: Source) -> Skeleton | None:
    if not source.annotation.is_file() or source.kind == "mpii":
        return None
    return task_skeleton(cfg, source, lambda: read_truth_file(source_content(source)).skeleton)


def _last_report(history: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the last evaluation during training in the form of ``metrics.json``."""
    tested = [line for line in history if line["kind"] == "val"]
    if not tested:
        return {}
    line = tested[-1]
    metrics = {k: v for k, v in line.items() if k not in ("kind", "epoch", "step", "seconds")}
    scored = f"during training, after {line['step']} steps"
    return {"metrics": metrics, "seconds": line.get("seconds", {}), "scored": scored}


def _newest_results(folder: Path) -> Path | None:
    files = [*(folder / "results").glob("keypoints_*_results_*.json"), *folder.glob("pred.mat")]
    return max(files, key=lambda file: file.stat().st_mtime, default=None)


def read_history(file: Path) -> list[dict[str, Any]]:
    """Return the lines of ``metrics.jsonl``; one that a kill cut off, or a damaged one, is not."""
    lines = []
    for text in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return [line for line in lines if isinstance(line, dict) and _is_record(line)]


def _is_record(line: dict[str, Any]) -> bool:
    return "kind" in line and isinstance(line.get("step"), int) and "epoch" in line
