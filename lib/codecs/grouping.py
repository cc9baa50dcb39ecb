"""Heatmaps and tag maps to people: candidates, matching by tag, quarter-cell shift, refinement.

Newell et al. 2017, "Associative Embedding", Sec. 3.3, as refined by Cheng et al. 2020,
"HigherHRNet", Sec. 3. The results equal the published loops bit for bit on the CPU; what is
different is the work: maps are read once for all people and joints, and they stay on their device.

Axes: N people, K joints, (H, W) map cells, L tag values per cell, C candidates per joint.
A person is a row of K records ``(x, y, score, tag 1 .. tag L)``; a joint that was not found is a
record of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lib.codecs.assignment import SOLVERS
from lib.codecs.refinement import adjust, mean_tags, refine
from lib.utils.allocator import keep_freed_memory

NO_PERSON = 1e10  # cost of columns that stand for "nobody yet"


@dataclass(frozen=True)
class GroupingOptions:
    """How detections become people.

    Attributes:
        joint_order: joint numbers in the order in which they are matched.
        max_people: candidates per joint, and people that a joint may be matched to.
        detection_threshold: lowest score (exclusive) of a candidate.
        tag_threshold: largest tag distance (exclusive) between a candidate and its person.
        use_detection_score: prefer, at equal tag distance, the candidate with the higher score.
        ignore_too_much: leave the other joints alone once ``max_people`` people are known.
        nms_kernel: odd side, in cells, of the window in which a candidate is the maximum.
        adjust: shift each joint a quarter cell towards its higher neighbours.
        refine: look for the missing joints of each person.
        matcher: ``munkres`` (reference choice among equal costs) or ``scipy`` (any choice).
    """

    joint_order: tuple[int, ...]
    max_people: int = 30
    detection_threshold: float = 0.1
    tag_threshold: float = 1.0
    use_detection_score: bool = True
    ignore_too_much: bool = False
    nms_kernel: int = 5
    adjust: bool = True
    refine: bool = True
    matcher: str = "munkres"


@dataclass(frozen=True)
class Candidates:
    """The maxima of all joints, strongest first within a joint.

    Attributes:
        joints: (M,) int64 joint numbers, ascending.
        locations: (M, 2) int64 ``(x, y)`` cells.
        scores: (M,) float32 heatmap values.
        tags: (M, L) float32.
    """

    joints: np.ndarray
    locations: np.ndarray
    scores: np.ndarray
    tags: np.ndarray

    def of_joint(self, joint: int) -> np.ndarray:
        """Return the records ``(x, y, score, tags)`` (C, 3 + L) float64 of one joint."""
        begin, end = np.searchsorted(self.joints, [joint, joint + 1])
        parts = self.locations[begin:end], self.scores[begin:end, None], self.tags[begin:end]
        return np.concatenate(parts, axis=1, dtype=np.float64)


def group(
    heatmaps: Tensor, tags: Tensor, options: GroupingOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Find the people of one image.

    Args:
        heatmaps: (K, H, W) float32.
        tags: (K, H, W, L) float32, or (1, H, W, L) when the joints share one tag map.
        options: see there; ``joint_order`` has K entries.

    Returns:
        people: (N, K, 3 + L) float32, x and y in map cells: cell ``i`` is centred on ``i`` as
            matched, and on ``i + 0.5`` once adjusted or refined.
        scores: (N,) float32 means over all K joint scores, before the refinement.
    """
    keep_freed_memory()  # maps of megabytes come and go
    people = match(find_candidates(heatmaps, tags, options), options)
    scores = people[:, :, 2].mean(axis=1)
    if options.adjust:
        people = adjust(heatmaps, people)
    if options.refine:
        people = refine(heatmaps, tags, people)
    return people, scores


def find_candidates(heatmaps: Tensor, tags: Tensor, options: GroupingOptions) -> Candidates:
    """Return, per joint, the ``max_people`` highest local maxima above the threshold.

    All cells of a plateau count as maxima. Candidates whose tags are not finite are left out.
    """
    find = _find_maxima_on_host if heatmaps.device.type == "cpu" else _find_maxima_on_device
    joints, flat, scores = find(heatmaps, options)
    values = tags.flatten(1, 2)[joints if len(tags) > 1 else 0, flat]  # (M, L)
    usable = values.isfinite().all(dim=1)
    rows, columns = flat // heatmaps.shape[2], flat % heatmaps.shape[2]
    parts = (joints, torch.stack([columns, rows], dim=1), scores, values)
    return Candidates(*(part[usable].cpu().numpy() for part in parts))


def _find_maxima_on_host(
    heatmaps: Tensor, options: GroupingOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Return joint numbers, flat cells and scores of the maxima; sorts only the few survivors."""
    maps = heatmaps.numpy()
    window = np.ones((options.nms_kernel, options.nms_kernel), np.uint8)
    # OpenCV dilates one map per call, 20 times faster than max-pooling does all on a CPU.
    highest = np.empty_like(maps)
    for one_map, own in zip(maps, highest, strict=True):
        cv2.dilate(one_map, window, dst=own)
    hot = np.flatnonzero(maps > options.detection_threshold)  # few: only they are compared
    scores = maps.ravel()[hot]
    maxima = scores == highest.ravel()[hot]
    hot, scores = hot[maxima], scores[maxima]
    joints, cells = np.divmod(hot, maps[0].size)
    order = np.lexsort((-scores, joints))  # stable: equal scores stay in raster order
    rank = np.arange(len(order)) - np.searchsorted(joints, joints)  # joints are sorted already
    order = order[rank < options.max_people]
    as_tensor = torch.from_numpy
    return as_tensor(joints[order]), as_tensor(cells[order]), as_tensor(scores[order])


def _find_maxima_on_device(
    heatmaps: Tensor, options: GroupingOptions
) -> tuple[Tensor, Tensor, Tensor]:
    """Return joint numbers, flat cells and scores of the maxima."""
    pad = options.nms_kernel // 2
    highest = F.max_pool2d(heatmaps[None], options.nms_kernel, stride=1, padding=pad)[0]
    kept = torch.where(heatmaps == highest, heatmaps, 0).flatten(1)
    scores, flat = kept.topk(min(options.max_people, kept.shape[1]), dim=1)  # (K, C)
    joints, ranks = (scores > options.detection_threshold).nonzero(as_tuple=True)
    return joints, flat[joints, ranks], scores[joints, ranks]


class _People:
    """The people found so far, in the order of their creation; grows joint by joint."""

    def __init__(self, capacity: int, num_joints: int, tag_length: int) -> None:
        self.records = np.zeros((capacity, num_joints, 3 + tag_length))
        self.tags = np.zeros((capacity, num_joints, tag_length), np.float32)  # as they came
        self.tag_counts = np.zeros(capacity, np.int64)
        self.row_by_key: dict[float, int] = {}

    def __len__(self) -> int:
        return len(self.row_by_key)

    def extend(self, person: int, joint: int, record: np.ndarray) -> None:
        """Give ``person`` a joint."""
        self.records[person, joint] = record
        self.tags[person, self.tag_counts[person]] = record[3:]
        self.tag_counts[person] += 1

    def create(self, joint: int, record: np.ndarray) -> None:
        """Start a person, or start afresh with the tags of the one that has the same first tag."""
        person = self.row_by_key.setdefault(float(record[3]), len(self.row_by_key))
        self.tag_counts[person] = 0
        self.extend(person, joint, record)


def match(candidates: Candidates, options: GroupingOptions) -> np.ndarray:
    """Deal the candidates out to people, joint after joint, by the distance of their tags.

    Each joint is one assignment problem against the people that the joints before it left, so
    this part is sequential by nature and runs on the host.

    Returns:
        (N, K, 3 + L) float32 records with whole cells, in the order in which people appeared.
    """
    capacity, tag_length = candidates.tags.shape
    people = _People(capacity, len(options.joint_order), tag_length)
    for joint in options.joint_order:
        records = candidates.of_joint(joint)
        if not len(people):
            for record in records:
                people.create(joint, record)
        elif len(records) and not (options.ignore_too_much and len(people) >= options.max_people):
            _match_joint(people, joint, records, options)
    return people.records[: len(people)].astype(np.float32)


def _match_joint(
    people: _People, joint: int, records: np.ndarray, options: GroupingOptions
) -> None:
    """Match the candidates (C, 3 + L) of one joint to people; the others become new people."""
    known = min(len(people), options.max_people)
    means = mean_tags(people.tags[:known], people.tag_counts[:known])
    difference = records[:, None, 3:] - means[None]
    distance = np.sqrt((difference * difference).sum(axis=2))  # (C, known) float64
    cost = np.round(distance) * 100 - records[:, 2:3] if options.use_detection_score else distance
    if len(records) > known:
        surplus = ((0, 0), (0, len(records) - known))
        cost = np.pad(cost, surplus, constant_values=NO_PERSON)
        distance = np.pad(distance, surplus, constant_values=np.inf)
    assigned = SOLVERS[options.matcher](cost)
    near = distance[np.arange(len(records)), assigned] < options.tag_threshold
    for record, person, belongs in zip(records, assigned, near, strict=True):
        if belongs:
            people.extend(person, joint, record)
        else:
            people.create(joint, record)
