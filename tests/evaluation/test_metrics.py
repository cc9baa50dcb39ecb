import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.evaluation import evaluate_coco, evaluate_crowdpose
from lib.evaluation.metrics import METRICS, metric, read_subject, usual_metric
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import ConfigError

SIGMAS = tuple(np.full(17, 0.06))


def numbers(name, content, rows):
    return METRICS[name].score(read_subject(name, content, rows, SIGMAS))


def test_coco_and_crowdpose_are_the_evaluators():
    content, rows = random_coco(1, crowd_index=True)
    for name, evaluate in (("coco", evaluate_coco), ("crowdpose", evaluate_crowdpose)):
        wanted = evaluate(content, rows, SIGMAS)
        assert numbers(name, content, rows) == pytest.approx(wanted, nan_ok=True)
    assert numbers("ochuman", content, rows)["AP"] == numbers("humanart", content, rows)["AP"]


def test_animals_are_scored_by_category():
    content, rows = random_coco(2, images=30, crowds=False)
    content["categories"] = [
        {**content["categories"][0], "id": number, "name": name}
        for number, name in ((4, "dog"), (2, "cat"), (9, "zebra"))
    ]
    for n, entry in enumerate((*content["annotations"], *rows)):
        entry["category_id"] = (2, 4)[n % 2]
    found = numbers("ap10k", content, rows)
    each = []
    for number in (2, 4):
        part = {**content, "categories": [c for c in content["categories"] if c["id"] == number]}
        part["annotations"] = [a for a in content["annotations"] if a["category_id"] == number]
        mine = [row for row in rows if row["category_id"] == number]
        each.append(evaluate_coco(part, mine, SIGMAS)["AP"])
    assert [found["AP (cat)"], found["AP (dog)"]] == pytest.approx(each, abs=1e-9)
    assert found["AP"] == pytest.approx(np.mean(each), abs=1e-9)
    assert "AP (zebra)" not in found


def test_the_usual_metric_of_a_file():
    content, _ = random_coco(0)
    assert usual_metric(content) == "coco"
    assert usual_metric({**content, "categories": content["categories"] * 2}) == "ap10k"
    assert usual_metric({**content, "annotations": [{"foot_kpts": []}]}) == "wholebody"
    assert usual_metric({**content, "images": [{"crowdIndex": 0.1}]}) == "crowdpose"


def test_a_users_metric_is_found_by_its_name():
    @METRICS.register("test: people")
    @metric(primary="people")
    def people(subject):
        return {"people": float(len(subject.truth.people))}

    content, rows = random_coco(1)
    assert numbers("test: people", content, rows) == {"people": len(content["annotations"])}
    with pytest.raises(ConfigError, match=r"No metric 'test: poeple'\. Did you mean test: people"):
        read_subject("test: poeple", content, rows)


@pytest.mark.parametrize(
    ("name", "joints", "singles"),
    [
        (
            "wholebody",
            133,
            {"nose", *(f"face_{k}" for k in (8, 27, 28, 29, 30, 33, 51, 57, 62, 66))},
        ),
        ("halpe26", 26, {"nose", "head", "neck", "hip"}),
        ("humanart21", 21, {"nose"}),
        ("ap10k", 17, {"nose", "neck", "root_of_tail"}),
    ],
)
def test_skeletons_of_the_data_sets(name, joints, singles):
    skeleton = load_skeleton(name)
    assert skeleton.num_joints == joints
    alone = {skeleton.joints[k] for k in range(joints) if skeleton.flip_index[k] == k}
    assert alone == singles
    for left, right in skeleton.flip_pairs:
        names = skeleton.joints[left], skeleton.joints[right]
        assert names[0].replace("left", "right") == names[1] or names[0].startswith("face_")
    sigmas = np.array(skeleton.sigmas)
    hands = slice(91, 133) if name == "wholebody" else slice(0, 0)
    assert (sigmas == sigmas[skeleton.flip_index])[hands].all()
