"""PCKh of MPII (Andriluka et al. 2014): joints within a share of the head size are correct.

The head size is 0.6 of the head box's diagonal; bounds are inclusive. ``Mean@0.1`` is the number
the HRNet family publishes under that name and evaluates at 0.11; ``Mean@0.10`` is at 0.10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.structures.results import Poses
from lib.utils.errors import DataError
from lib.utils.files import fault_in

HEAD_SHARE = 0.6
LINEAGE_TENTH = 0.11
# The order of the 16 joints is that of lib/structures/skeletons/mpii.yaml.
JOINT_GROUPS = {
    "Head": (9,),
    "Shoulder": (12, 13),
    "Elbow": (11, 14),
    "Wrist": (10, 15),
    "Hip": (2, 3),
    "Knee": (1, 4),
    "Ankle": (0, 5),
}
UNSCORED_JOINTS = (6, 7)  # pelvis and thorax
NUM_JOINTS = 16


@dataclass(frozen=True)
class MpiiTruth:
    """Ground truth of N people.

    Attributes:
        keypoints: (N, 16, 2) float64 ``(x, y)`` in 0-based pixels.
        visible: (N, 16) bool, annotated joints.
        head_sizes: (N,) float64 pixels.
    """

    keypoints: np.ndarray
    visible: np.ndarray
    head_sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.head_sizes)


def read_mpii_truth(gt_valid_mat: str | Path) -> MpiiTruth:
    """Read ``gt_valid.mat`` (1-based pixels; people on the last axis).

    Raises:
        DataError: the file is missing, damaged, or lacks a field.
    """
    fields = ("jnt_missing", "pos_gt_src", "headboxes_src")
    content = read_mat(gt_valid_mat, fields)
    people = content["jnt_missing"].shape[-1]
    shapes = ((NUM_JOINTS, people), (NUM_JOINTS, 2, people), (2, 2, people))
    if any(
        content[name].size != np.prod(shape) for name, shape in zip(fields, shapes, strict=True)
    ):
        found = [content[name].shape for name in fields]
        raise DataError(f"'{gt_valid_mat}' has fields of {found}, wanted {shapes}.")
    # MATLAB files drop the last axis of a single person.
    missing, joints, heads = (content[n].reshape(s) for n, s in zip(fields, shapes, strict=True))
    return MpiiTruth(
        keypoints=joints.transpose(2, 0, 1) - 1,
        visible=missing.T == 0,
        head_sizes=HEAD_SHARE * np.linalg.norm(heads[1] - heads[0], axis=0),
    )


def read_mat(path: str | Path, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the numeric fields of a MATLAB file as float64 arrays.

    Raises:
        DataError: the file is missing, damaged, or lacks a wanted field.
    """
    from scipy.io import loadmat

    if not Path(path).is_file():
        raise DataError(f"No file '{path}'{fault_in(path)}: check the path.")
    try:
        content = loadmat(str(path))
    except Exception as error:  # damaged bytes make SciPy's reader raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"'{path}' is not a MATLAB file, or is incomplete ({reason}); copy it again."
        ) from None
    fields = {
        name: field.astype(np.float64)
        for name, field in content.items()
        if isinstance(field, np.ndarray) and field.dtype.kind in "iufb"
    }
    missing = set(wanted) - fields.keys()
    if missing:
        raise DataError(
            f"'{path}' has no field {sorted(missing)} of numbers: is it the right file?"
        )
    return fields


def read_mpii_predictions(path: str | Path, people: int) -> np.ndarray:
    """Return (N, 16, 2) 0-based pixels of a file with 1-based ones, as all published ones are.

    Args:
        path: MATLAB file with ``preds`` (N, 16, 2 or more), or NumPy file of that shape.
        people: N.

    Raises:
        DataError: the file is missing, damaged, or of another shape.
    """
    if Path(path).suffix == ".npy":
        try:
            points = np.load(str(path), allow_pickle=False)
        except FileNotFoundError:
            raise DataError(f"No file '{path}': check the path.") from None
        except (ValueError, OSError) as error:
            raise DataError(f"'{path}' cannot be read ({error}): is it complete?") from error
    else:
        points = read_mat(path, ("preds",))["preds"]
    if points.ndim != 3 or points.shape[:2] != (people, NUM_JOINTS) or points.shape[2] < 2:
        raise DataError(
            f"'{path}' has predictions of {points.shape}, wanted ({people}, {NUM_JOINTS}, 2): one "
            "row per person of the ground truth, in its order."
        )
    return points[..., :2].astype(np.float64) - 1


def evaluate_mpii(
    predictions: np.ndarray, gt_valid_mat: str | Path | MpiiTruth
) -> dict[str, float]:
    """Return PCKh@0.5 in percent per joint group, their mean, and the mean at two tenths.

    Args:
        predictions: (N, 16, 2) ``(x, y)`` in 0-based pixels, rows in the order of ``valid.json``.
        gt_valid_mat: the ground truth file, or its content.

    Returns:
        Head, Shoulder, Elbow, Wrist, Hip, Knee, Ankle (mean of left and right), Mean (weighted by
        annotated joints, without pelvis and thorax), "Mean@0.1" (threshold 0.11, as published by
        the HRNet family) and "Mean@0.10"; NaN where nothing is annotated.

    Raises:
        DataError: the file is wrong, or the people are not those of the file.
    """
    truth = gt_valid_mat if isinstance(gt_valid_mat, MpiiTruth) else read_mpii_truth(gt_valid_mat)
    wanted = (len(truth), NUM_JOINTS, 2)
    if predictions.shape != wanted:
        raise DataError(
            f"MPII predictions are {predictions.shape}, wanted {wanted}: one row per person of "
            "the ground truth, in its order."
        )
    distances = head_distances(predictions, truth)
    per_joint = joint_percentages(distances, truth.visible, 0.5)
    counts = truth.visible.sum(axis=0).astype(np.float64)
    counts[list(UNSCORED_JOINTS)] = 0
    metrics = {name: float(per_joint[list(k)].mean()) for name, k in JOINT_GROUPS.items()}
    for name, threshold in (("Mean", 0.5), ("Mean@0.1", LINEAGE_TENTH), ("Mean@0.10", 0.1)):
        values = joint_percentages(distances, truth.visible, threshold)
        known = counts > 0
        total = counts[known].sum()
        metrics[name] = float((values[known] * counts[known]).sum() / total) if total else np.nan
    return metrics


def head_distances(predictions: np.ndarray, truth: MpiiTruth) -> np.ndarray:
    """Return (N, 16) distances from the truth in head sizes; inf for a head without size."""
    pixels = np.linalg.norm(predictions.astype(np.float64) - truth.keypoints, axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(pixels / truth.head_sizes[:, None], nan=np.inf, posinf=np.inf)


def joint_percentages(distances: np.ndarray, visible: np.ndarray, threshold: float) -> np.ndarray:
    """Return (16,) percent of annotated joints within ``threshold``; NaN without any.

    Args:
        distances: (N, 16) in head sizes.
        visible: (N, 16) bool.
        threshold: inclusive, in head sizes.
    """
    counts = visible.sum(axis=0)
    hits = ((distances <= threshold) & visible).sum(axis=0)
    return np.where(counts > 0, 100.0 * hits / np.maximum(counts, 1), np.nan)


class MpiiEvaluator:
    """Evaluator of MPII's validation split (implements ``lib.tasks.base.Evaluator``).

    Args:
        gt_valid_mat: ground truth file; None collects and writes, and scores nothing.
        people: how many there must be; None does not know.
        people_from: what says so, for messages.

    Raises:
        DataError: the file is wrong, or has other people.
    """

    primary = "Mean"

    def __init__(
        self, gt_valid_mat: str | Path | None, people: int | None = None, people_from: str = ""
    ) -> None:
        self.truth = None if gt_valid_mat is None else read_mpii_truth(gt_valid_mat)
        if self.truth is not None and people not in (None, len(self.truth)):
            raise DataError(
                f"{gt_valid_mat} has {len(self.truth)} people, {people_from} {people}: they "
                "must be files of the same split."
            )
        self._parts: list[Poses] = []

    def update(self, poses: Poses) -> None:
        """Take people in original-image pixels; ``indices`` are rows of ``valid.json``."""
        self._parts.append(poses)

    def compute(self) -> dict[str, float]:
        """Return the scores of ``evaluate_mpii``; none without ground truth.

        Raises:
            ValueError: a person of the split is missing or came twice.
        """
        if self.truth is None:
            return {}
        return evaluate_mpii(self.ordered().keypoints, self.truth)

    def write(self, folder: Path) -> list[Path]:
        """Write ``pred.mat``: ``preds`` (N, 16, 2), 1-based ``x, y``, and ``scores`` (N, 16)."""
        from scipy.io import savemat

        poses = self.ordered()
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "pred.mat"
        savemat(str(file), {"preds": poses.keypoints + 1.0, "scores": poses.keypoint_scores})
        return [file]

    def ordered(self) -> Poses:
        """Return the people in the order of the ground truth, each checked to be there once."""
        poses = Poses.concatenate(self._parts, NUM_JOINTS)
        poses = poses.select(np.argsort(poses.indices, kind="stable"))
        count = len(poses) if self.truth is None else len(self.truth)
        if not np.array_equal(poses.indices, np.arange(count)):
            raise ValueError(f"wanted every person 0..{count - 1} once, got {len(poses)} people")
        return poses
