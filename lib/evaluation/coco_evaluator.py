"""Collects poses of a COCO-format split, suppresses duplicates, scores, and writes result files."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.annotations.form import Annotations
from lib.evaluation.calibration import Calibration, calibrated_rows
from lib.evaluation.coco import evaluate_coco, evaluate_coco_boxes
from lib.evaluation.coco_files import Rows, read_truth_file
from lib.evaluation.oks import nms_by_image, rescore
from lib.evaluation.sensitivity import warn_of_assumed
from lib.structures.results import Poses
from lib.structures.skeleton import Skeleton
from lib.utils.errors import DataError

logger = logging.getLogger(__name__)

LINEAGE_UNIT = 200.0  # pixels per unit of 'scale' in the result rows of the HRNet family
ROW_EXTRAS = ("crop", "box", "extent")


class CocoEvaluator:
    """Evaluator of COCO keypoints for all three tasks (implements ``lib.tasks.base.Evaluator``).

    Top-down models use the defaults. Bottom-up models: ``rescore_poses=False, oks_thre=0,
    row_extras="extent"``. One-stage models: the same with ``row_extras="box", score_boxes=True``.

    Args:
        truth: what was read of the annotation file, or the file; without ``annotations``
            (test-dev) results are written, with an archive for the COCO server, and not scored.
        skeleton: the joints that the model predicts.
        set_name: name of the split in the names of the result files.
        rank: number of the process in the names of the result files.
        in_vis_thre: joint score above which a joint counts when poses are rescored.
        oks_thre: similarity above which the worse pose of an image goes; 0 keeps all.
        soft_nms: order by decayed scores (at most 20 per image) instead.
        rescore_poses: person score = box score x mean of counted joint scores.
        row_extras: what a result row says besides joints and score: ``"crop"`` (``center`` and
            ``scale``, as the HRNet family), ``"box"`` or ``"extent"`` (``bbox`` of the found
            box, or around all joints).
        score_boxes: add box AP and AR as ``"box AP"`` and so on; needs ``row_extras="box"``.
        evaluator: ``"own"``, ``"pycocotools"`` or ``"fast"``.
        image_ids: score these images only.
        calibration: maps of joint and person scores for the rows; AP stays what it is.
        submission: the algorithm's name in the archive for the COCO server.

    Raises:
        DataError: the annotation file is missing, damaged, or has other joints.
        ValueError: ``row_extras`` is unknown or does not suit ``score_boxes``.
    """

    primary = "AP"

    def __init__(
        self,
        truth: Annotations | str | Path,
        skeleton: Skeleton,
        *,
        set_name: str = "val2017",
        rank: int = 0,
        in_vis_thre: float = 0.2,
        oks_thre: float = 0.9,
        soft_nms: bool = False,
        rescore_poses: bool = True,
        row_extras: str = "crop",
        score_boxes: bool = False,
        evaluator: str = "own",
        image_ids: Sequence[int] | None = None,
        calibration: Calibration | None = None,
        submission: str = "efepose",
    ) -> None:
        if row_extras not in ROW_EXTRAS or (score_boxes and row_extras != "box"):
            raise ValueError(f"row_extras '{row_extras}' must be one of {ROW_EXTRAS}, 'box' for AP")
        self.skeleton = skeleton
        self.set_name, self.rank, self.submission = set_name, rank, submission
        self.in_vis_thre, self.oks_thre, self.soft_nms = in_vis_thre, oks_thre, soft_nms
        self.rescore_poses = rescore_poses
        self.row_extras, self.score_boxes = row_extras, score_boxes
        self.evaluator, self.image_ids = evaluator, image_ids
        self.calibration = calibration
        if not isinstance(truth, Annotations):
            truth = read_truth_file(truth, skeleton.num_joints)
        self.truth = truth
        self._check_joints()
        self._parts: list[Poses] = []
        self._rows: Rows | None = None

    @property
    def scored(self) -> bool:
        """Whether the split has annotations to score against."""
        return self.truth.has_truth

    def update(self, poses: Poses) -> None:
        """Take people in original-image pixels; those with non-finite numbers are left out."""
        finite = np.isfinite(poses.keypoints).all(axis=(1, 2)) & np.isfinite(poses.scores)
        finite &= np.isfinite(poses.keypoint_scores).all(axis=1)
        if not finite.all():
            logger.warning("left out %d poses with non-finite numbers", int((~finite).sum()))
            poses = poses.select(finite)
        self._parts.append(poses)
        self._rows = None

    def compute(self) -> dict[str, float]:
        """Return the scores of ``evaluate_coco`` (and box scores); none for a test split."""
        if not self.scored:
            logger.info("%s has no annotations: not scored", self.set_name)
            return {}
        return self.score(self.rows())

    def score(self, rows: Rows) -> dict[str, float]:
        """Return the scores of result rows."""
        warn_of_assumed(self.skeleton)
        metrics = evaluate_coco(
            self.truth,
            rows,
            self.skeleton.sigmas,
            evaluator=self.evaluator,
            image_ids=self.image_ids,
        )
        if self.score_boxes:
            boxes = evaluate_coco_boxes(
                self.truth, rows, evaluator=self.evaluator, image_ids=self.image_ids
            )
            metrics |= {f"box {name}": value for name, value in boxes.items()}
        return metrics

    def write(self, folder: Path) -> list[Path]:
        """Write ``results/keypoints_<set>_results_<rank>.json``; test splits get an archive too."""
        results = folder / "results"
        results.mkdir(parents=True, exist_ok=True)
        file = results / f"keypoints_{self.set_name}_results_{self.rank}.json"
        content = json.dumps(self.rows(), allow_nan=False)
        file.write_text(content, encoding="utf-8")
        if self.scored:
            return [file]
        archive = results / f"person_keypoints_{self.set_name}_{self.submission}_results.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr(f"{archive.stem}.json", content)  # the name the COCO server asks for
        return [file, archive]

    def rows(self) -> Rows:
        """Return the result rows: images by first appearance, the best pose of an image first."""
        if self._rows is None:
            poses = Poses.concatenate(self._parts, self.skeleton.num_joints)
            scores = poses.scores
            if self.rescore_poses:
                scores = rescore(poses.keypoint_scores, scores, self.in_vis_thre)
            if self.oks_thre > 0:
                kept = nms_by_image(
                    poses.image_ids,
                    poses.keypoints,
                    scores,
                    poses.crops[:, 2] * poses.crops[:, 3],
                    np.asarray(self.skeleton.sigmas),
                    self.oks_thre,
                    soft=self.soft_nms,
                )
                poses, scores = poses.select(kept), scores[kept]
            self._rows = coco_rows(
                poses, scores, self.truth.category.id, self.row_extras, self._own_image_ids
            )
            if self.calibration is not None:
                self._rows = calibrated_rows(self.calibration, self._rows)
        return self._rows

    @property
    def _own_image_ids(self) -> dict[int, Any] | None:
        images = self.truth.images
        if images.own is None:
            return None
        return dict(zip(images.ids.tolist(), images.own, strict=True))

    def _check_joints(self) -> None:
        """Refuse a data set of other joints than the model's."""
        found = self.truth.skeleton.num_joints
        if self.scored and found != self.skeleton.num_joints:
            raise DataError(
                f"'{self.truth.path}' annotates {found} joints, but the model predicts "
                f"{self.skeleton.num_joints} ({self.skeleton.name}): check the data set and "
                "MODEL.NUM_JOINTS."
            )


def coco_rows(
    poses: Poses,
    scores: np.ndarray,
    category_id: Any,
    extras: str,
    own_image_ids: dict[int, Any] | None = None,
) -> Rows:
    """Return COCO result rows of plain Python numbers.

    Args:
        poses: N people.
        scores: (N,) person scores.
        category_id: COCO category of the people.
        extras: ``"crop"``, ``"box"`` or ``"extent"``, see ``CocoEvaluator``.
        own_image_ids: image ids as the data set writes them, where those are no numbers.
    """
    triples = np.concatenate([poses.keypoints, poses.keypoint_scores[..., None]], axis=2)
    names, columns = _extra_columns(poses, extras)
    rows = []
    for image_id, numbers, score, *values in zip(
        poses.image_ids.tolist(),
        triples.reshape(len(poses), 3 * triples.shape[1]).tolist(),
        scores.tolist(),
        *(column.tolist() for column in columns),
        strict=True,
    ):
        if own_image_ids is not None:
            image_id = own_image_ids[image_id]
        row = {"image_id": image_id, "category_id": category_id, "keypoints": numbers}
        rows.append({**row, "score": score, **dict(zip(names, values, strict=True))})
    return rows


def _extra_columns(poses: Poses, extras: str) -> tuple[tuple[str, ...], list[np.ndarray]]:
    if extras == "crop":
        return ("center", "scale"), [poses.crops[:, :2], poses.crops[:, 2:] / LINEAGE_UNIT]
    low, high = poses.boxes[:, :2], poses.boxes[:, 2:]
    if extras == "extent":
        low, high = poses.keypoints.min(axis=1), poses.keypoints.max(axis=1)
    return ("bbox",), [np.concatenate([low, high - low], axis=1)]
