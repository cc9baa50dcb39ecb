"""Textbook form of lib.codecs.grouping: person by person, joint by joint, whole maps each time."""

import numpy as np
import torch
import torch.nn.functional as F

from lib.benchmark.textbook.assignment import assign_cell_by_cell


def candidates(heatmaps, tags, max_people=30, kernel=5):
    """(K, C) scores, (K, C, 2) places and (K, C, L) tags of the highest maxima."""
    pooled = F.max_pool2d(heatmaps[None], kernel, 1, kernel // 2)[0]
    kept = heatmaps * (pooled == heatmaps)
    joints, _, width = heatmaps.shape
    scores, index = kept.view(joints, -1).topk(max_people, dim=1)
    tags = tags.expand(joints, *tags.shape[1:]).reshape(joints, -1, tags.shape[-1])
    picked = torch.stack(
        [torch.gather(tags[..., i], 1, index) for i in range(tags.shape[-1])], dim=2
    )
    places = torch.stack([index % width, index // width], dim=2)
    return scores.numpy(), places.numpy(), picked.numpy()


def match(scores, places, tags, options):
    """(N, K, 3 + L) records."""
    joints, _, length = tags.shape
    people, tag_lists = {}, {}
    for j in options.joint_order:
        rows = np.concatenate([places[j], scores[j, :, None], tags[j]], axis=1).astype(np.float64)
        keep = rows[:, 2] > options.detection_threshold
        rows, row_tags = rows[keep], tags[j][keep]
        if not len(rows):
            continue
        if not people:
            for row, tag in zip(rows, row_tags, strict=True):
                people.setdefault(tag[0], np.zeros((joints, 3 + length)))[j] = row
                tag_lists[tag[0]] = [tag]
            continue
        if options.ignore_too_much and len(people) >= options.max_people:
            continue
        keys = list(people)[: options.max_people]
        distance = _distances(rows, [tag_lists[key] for key in keys])
        for r, c in enumerate(_assign(distance, rows[:, 2:3], options)):
            if c < len(keys) and distance[r, c] < options.tag_threshold:
                people[keys[c]][j] = rows[r]
                tag_lists[keys[c]].append(row_tags[r])
            else:
                people.setdefault(row_tags[r][0], np.zeros((joints, 3 + length)))[j] = rows[r]
                tag_lists[row_tags[r][0]] = [row_tags[r]]
    if not people:
        return np.zeros((0, joints, 3 + length), np.float32)
    return np.array(list(people.values())).astype(np.float32)


def _distances(rows, tag_lists):
    distance = np.zeros((len(rows), len(tag_lists)))
    for c, tags in enumerate(tag_lists):
        mean = np.mean(tags, axis=0)
        for r in range(len(rows)):
            distance[r, c] = np.sqrt(((rows[r, 3:] - mean) ** 2).sum())
    return distance


def _assign(distance, scores, options):
    cost = np.round(distance) * 100 - scores if options.use_detection_score else distance
    surplus = max(0, cost.shape[0] - cost.shape[1])
    cost = np.concatenate([cost, np.full((len(cost), surplus), 1e10)], axis=1)
    return assign_cell_by_cell(cost.tolist())


def adjust(heatmaps, people):
    """Quarter-cell shift, one tensor element at a time."""
    people = people.copy()
    for person in people:
        for j, joint in enumerate(person):
            if joint[2] > 0:
                x, y = int(joint[0]), int(joint[1])
                dx, dy = _shift(heatmaps[j], x, y)
                joint[0] += dx + 0.5
                joint[1] += dy + 0.5
    return people


def _shift(heat, x, y):
    height, width = heat.shape
    dx = 0.25 if heat[y, min(x + 1, width - 1)] > heat[y, max(x - 1, 0)] else -0.25
    dy = 0.25 if heat[min(y + 1, height - 1), x] > heat[max(y - 1, 0), x] else -0.25
    return dx, dy


def refine(heatmaps, tags, person):
    """Missing joints of one person (K, 3 + L) from whole maps (arrays)."""
    person = person.copy()
    joints, _, width = heatmaps.shape
    tags = np.broadcast_to(tags, (joints, *tags.shape[1:]))
    own = [tags[j, int(p[1]), int(p[0])] for j, p in enumerate(person) if p[2] > 0]
    mean = np.mean(own, axis=0)
    places = []
    for j in range(joints):
        distance = ((tags[j] - mean[None, None]) ** 2).sum(axis=2) ** 0.5
        best = np.argmax(heatmaps[j] - np.round(distance))
        y, x = best // width, best % width
        dx, dy = _shift(heatmaps[j], x, y)
        places.append((x + 0.5 + dx, y + 0.5 + dy, heatmaps[j, y, x]))
    for j, (x, y, value) in enumerate(places):
        if value > 0 and person[j, 2] == 0:
            person[j, :3] = x, y, value
    return person


def group(heatmaps, tags, options):
    """(N, K, 3 + L) people and (N,) scores of one image, as published."""
    people = match(*candidates(heatmaps, tags, options.max_people, options.nms_kernel), options)
    if options.adjust:
        people = adjust(heatmaps, people)
    scores = np.array([person[:, 2].mean() for person in people], np.float32)
    if options.refine:
        for n in range(len(people)):
            # every person gets a copy of both maps, as the published code does
            heat, tag = heatmaps.numpy().copy(), tags.numpy().copy()
            people[n] = refine(heat, tag, people[n])
    return people, scores
