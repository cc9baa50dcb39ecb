"""Thousands of damaged files: one sentence or a reading, and training and scoring agree."""

import time

import numpy as np
import pytest
from textbook.malformed import as_bytes, coco_content, damage, mpii_content, tally

from lib.annotations.mpii import read_mpii
from lib.datasets import detection, image_people
from lib.datasets.selection import people_to_train_on
from lib.datasets.sources import Source, read_source
from lib.evaluation import CocoEvaluator, CrowdPoseEvaluator
from lib.structures.results import Poses
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import UserError

CROWD = load_skeleton("crowdpose")
LONGEST = 5.0  # seconds of the processor that a reading may take


def verdict(call):
    """Return None, or the sentence that refuses; anything but a user's error is a fault."""
    try:
        call()
    except UserError as error:
        text = str(error)
        assert text.strip(), "an error without a word"
        return text
    return None


def train(source, skeleton):
    """Read as each of the three tasks does."""
    found = read_source(source, skeleton)
    people_to_train_on(found)
    detection.image_people(found)
    images = image_people.people_of_images(read_source(source, skeleton, with_segmentation=True))
    for row, outlines in images.hidden.items():
        image_people.visible_mask(outlines, tuple(images.images.sizes[row].tolist()))


def score(source, skeleton):
    """Score the annotated poses; perfect ones must not lose anything that can be won."""
    truth = read_source(source, skeleton)
    kind = CrowdPoseEvaluator if source.kind == "crowdpose" else CocoEvaluator
    evaluator = kind(truth, truth.skeleton, oks_thre=0, rescore_poses=False)
    people = truth.people
    side = people.boxes[:, 2:]
    evaluator.update(
        Poses(
            image_ids=people.images.ids[people.image_index],
            keypoints=truth.triples[..., :2].astype(np.float32),
            keypoint_scores=np.ones(people.visibility.shape, np.float32),
            scores=np.ones(len(people), np.float32),
            boxes=np.concatenate([people.boxes[:, :2], people.boxes[:, :2] + side], axis=1),
            indices=np.arange(len(people)),
            crops=np.concatenate([people.boxes[:, :2] + side / 2, side * 1.25], axis=1),
        )
    )
    return evaluator.compute()["AP"]


def run(folder, seeds):
    """Return how many files were read and how many refused."""
    kinds = ("coco", "crowdpose", "mpii")
    return tally(lambda n: one(folder, kinds[n % 3], np.random.default_rng(n), n), seeds)


def one(folder, kind, rng, seed):
    file = folder / f"{seed}.json"
    if kind == "mpii":
        content = mpii_content(rng)
    elif kind == "crowdpose":
        content = coco_content(rng, 14, CROWD.joints, crowd_index=True)
    else:
        content = coco_content(rng)
    file.write_bytes(as_bytes(damage(content, rng), rng))
    start = time.process_time()
    if kind == "mpii":
        refused = verdict(lambda: read_mpii(file, "images/"))
    else:
        source = Source(kind, file, "images/", has_truth=True)
        skeleton = CROWD if kind == "crowdpose" else None
        refused = verdict(lambda: train(source, skeleton))
        scored = verdict(lambda: score(source, skeleton))
        if refused is not None or kind == "coco":
            assert refused == scored, (seed, refused, scored)
    assert time.process_time() - start < LONGEST, seed
    file.unlink()
    return "refused" if refused is not None else "read"


def test_some_damaged_files(tmp_path):
    outcomes = run(tmp_path, range(150))
    assert outcomes["read"] > 30
    assert outcomes["refused"] > 30


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_thousands_of_damaged_files(tmp_path):
    outcomes = run(tmp_path, range(1000, 7000))
    assert sum(outcomes.values()) == 6000
