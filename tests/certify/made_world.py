"""Made predictions of a made data set, and all that can be done to a claim about them."""

import copy

import numpy as np

from lib.certify.checking import check_predictions
from lib.certify.influence import Evidence
from lib.structures.skeleton import load_skeleton

JOINTS = 17
FLOATS = np.tile([1e-3, 1e-3, 1e-5], JOINTS)  # pixels, and scores: what another machine changes


class World:
    """344 images of one to four people; a network that finds them more or less well.

    Its answers on another machine are those here with differences of ``FLOATS``, and one joint of
    2,000 stands at a tie: a machine, or a run with noise, takes either place with even odds.
    """

    def __init__(self, seed=0, images=344):
        rng = np.random.default_rng(seed)
        content = {"images": [], "annotations": [], "categories": [person()]}
        self.rows, self.elsewhere = [], []
        for image in range(images):
            content["images"].append({"id": 7 + 2 * image, "width": 640, "height": 480})
            for _ in range(rng.integers(1, 5)):
                truth = annotate(rng, content, 7 + 2 * image)
                error = truth["area"] ** 0.5 * rng.choice([0.01, 0.03, 0.06, 0.12])
                points = np.array(truth["keypoints"]).reshape(-1, 3)[:, :2]
                self.add(rng, 7 + 2 * image, points + rng.normal(0, error, points.shape), error)
        self.content = content
        self.boxes = np.bincount([(r["image_id"] - 7) // 2 for r in self.rows], minlength=images)

    def add(self, rng, image_id, points, error):
        scores = np.clip(0.9 - error / 40 + rng.normal(0, 0.05, JOINTS), 0.01, 1)
        joints = np.column_stack([points, scores])
        other = joints.copy()
        ties = rng.uniform(size=JOINTS) < 0.0005
        other[ties, :2] += rng.normal(0, 30, (ties.sum(), 2))
        row = {"image_id": image_id, "category_id": 1, "score": float(scores.mean())}
        self.rows.append({**row, "keypoints": joints.ravel().tolist()})
        self.elsewhere.append(other.ravel())

    def evidence(self, rows):
        return Evidence.read("coco", self.content, rows)

    def machine(self, seed):
        """Return what predicts images on another machine."""
        side = np.random.default_rng(seed).uniform(size=len(self.rows)) < 0.5

        def predict(images, noise, noise_seed):
            rng = np.random.default_rng([noise_seed, round(1e6 * noise)])
            found = []
            for row, other, here in zip(self.rows, self.elsewhere, side, strict=True):
                if row["image_id"] not in images:
                    continue
                there = rng.uniform() < 0.5 if noise else here
                numbers = other if there else np.array(row["keypoints"])
                shaken = numbers + rng.uniform(-1, 1, numbers.shape) * FLOATS
                found.append({**row, "keypoints": shaken.tolist()})
            return found

        return predict

    def check(self, rows, seed, images=200, predict=None):
        return check_predictions(
            self.evidence(rows),
            self.boxes,
            predict or self.machine(seed),
            images=images,
            inflation=0.003,
            seed=seed,
        )

    def average_precision(self, rows):
        return self.evidence(rows).average_precision

    def truth_of(self):
        """Return the true joints (K, 2) of every row."""
        return [np.array(a["keypoints"]).reshape(-1, 3)[:, :2] for a in self.content["annotations"]]

    def raised(self, change, order, most=0.003):
        """Return the rows with ``change`` done to one after the other until AP rose by ``most``."""
        low, high = 1, len(order)
        before = self.average_precision(self.rows)
        while low < high:  # the fewest that do
            middle = (low + high) // 2
            if self.average_precision(self.changed(change, order[:middle])) - before >= most:
                high = middle
            else:
                low = middle + 1
        rows = self.changed(change, order[:low])
        assert self.average_precision(rows) - before >= most
        return rows

    def changed(self, change, chosen):
        rows, truth = copy.copy(self.rows), self.truth_of()
        for n in chosen:
            points = np.array(rows[n]["keypoints"]).reshape(-1, 3)
            rows[n] = {**rows[n], **change(points, truth[n])}
        return rows


def to_truth(points, truth):
    """Put a pose where it should be."""
    return {"keypoints": np.column_stack([truth, points[:, 2]]).ravel().tolist()}


def nearer(points, truth):
    """Move a pose towards the truth by a tenth."""
    moved = points.copy()
    moved[:, :2] += 0.1 * (truth - points[:, :2])
    return {"keypoints": moved.ravel().tolist()}


def one_joint(points, truth):
    """Put the worst joint of a pose where it should be."""
    moved = points.copy()
    worst = np.linalg.norm(truth - points[:, :2], axis=1).argmax()
    moved[worst, :2] = truth[worst]
    return {"keypoints": moved.ravel().tolist()}


def person():
    return {"id": 1, "name": "person", "keypoints": list(load_skeleton("coco").joints)}


def annotate(rng, content, image_id):
    side = float(rng.uniform(60, 300))
    points = rng.uniform(20, 400, 2) + rng.uniform(0, side, (JOINTS, 2))
    row = {
        "id": len(content["annotations"]) + 1,
        "image_id": image_id,
        "category_id": 1,
        "area": 0.5 * side**2,
        "bbox": [*points.min(axis=0).tolist(), side, side],
        "iscrowd": 0,
        "num_keypoints": JOINTS,
        "keypoints": np.column_stack([points, np.full(JOINTS, 2)]).ravel().tolist(),
    }
    content["annotations"].append(row)
    return row
