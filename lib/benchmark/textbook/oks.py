"""The slow forms that lib.evaluation.oks must equal: one pair of poses at a time."""

import numpy as np


def oks_row(reference, candidates, reference_area, areas, sigmas, visible=None):
    variances = (np.asarray(sigmas) * 2) ** 2
    row = np.zeros(len(candidates))
    for n, candidate in enumerate(candidates):
        dx = candidate[:, 0] - reference[:, 0]
        dy = candidate[:, 1] - reference[:, 1]
        size = (reference_area + areas[n]) / 2 + np.spacing(1)
        e = (dx**2 + dy**2) / variances / size / 2
        if visible is not None:
            e = e[visible[n]]
        row[n] = np.sum(np.exp(-e)) / len(e) if len(e) else 0.0
    return row


def oks_nms(keypoints, scores, areas, sigmas, threshold, visible=None):
    order = np.argsort(scores, kind="stable")[::-1]
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        seen = None if visible is None else visible[order]
        row = oks_row(keypoints[best], keypoints[order], areas[best], areas[order], sigmas, seen)
        order = order[row <= threshold]
    return np.array(kept, np.int64)


def soft_oks_nms(keypoints, scores, areas, sigmas, threshold, visible=None):
    order = np.argsort(scores, kind="stable")[::-1]
    scores = scores[order]
    kept = []
    while len(order) and len(kept) < 20:
        best, order = order[0], order[1:]
        kept.append(best)
        seen = None if visible is None else visible[order]
        row = oks_row(keypoints[best], keypoints[order], areas[best], areas[order], sigmas, seen)
        scores = scores[1:] * np.exp(-(row**2) / threshold)
        again = np.argsort(scores, kind="stable")[::-1]
        order, scores = order[again], scores[again]
    return np.array(kept, np.int64)


def nms_by_image(image_ids, keypoints, scores, areas, sigmas, threshold, visible=None, soft=False):
    groups = {}
    for n, image_id in enumerate(image_ids):
        groups.setdefault(int(image_id), []).append(n)
    kept = []
    for members in groups.values():
        index = np.array(members)
        seen = None if visible is None else visible[index]
        one = (soft_oks_nms if soft else oks_nms)(
            keypoints[index], scores[index], areas[index], sigmas, threshold, seen
        )
        kept.extend(index[one])
    return np.array(kept, np.int64)


def rescore(keypoint_scores, box_scores, in_vis_thre):
    scores = []
    for row, box_score in zip(keypoint_scores, box_scores, strict=True):
        total, count = 0.0, 0
        for value in row:
            if value > in_vis_thre:
                total, count = total + value, count + 1
        scores.append((total / count if count else total) * box_score)
    return np.array(scores)
