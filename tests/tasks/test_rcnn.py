"""The one-stage task: bytes to losses, people to scores, half pixels both ways."""

import json

import numpy as np
import pytest
import torch
import yaml
from tinyrcnn import TINY, merged, write_config
from toys.ranks import gradients_and_results, launch

from lib.annotations.reading import read_annotations
from lib.config import load_config
from lib.datasets.detection import image_people
from lib.datasets.synthetic import Recipe, write_dataset
from lib.engine.device import Precision
from lib.engine.inference import predict
from lib.structures.results import Poses
from lib.tasks import build_task
from lib.tasks.rcnn_people import as_table
from lib.utils.errors import ConfigError
from lib.utils.losses import SAMPLES


@pytest.fixture
def config(synthpose, tmp_path):
    return write_config(tmp_path, synthpose)


@pytest.fixture
def task(config):
    return build_task(load_config(config))


def truth(task):
    """Everybody in the test split, as the network would return them, per image."""
    source = task.test_source
    people = image_people(read_annotations(source.annotation, source.images))
    # People without labelled joints come last: found or not, their joints cannot be right.
    scores = np.where(people.keypoints[..., 2].any(axis=1), 1.0, 0.5)
    found = []
    for row in range(len(people.images)):
        mine = slice(people.starts[row], people.starts[row + 1])
        found.append(
            {
                "boxes": torch.from_numpy(people.boxes[mine]),
                "scores": torch.from_numpy(scores[mine]),
                "keypoints": torch.from_numpy(people.keypoints[mine]),
            }
        )
    return found, people.images.ids


def test_truth_as_prediction_scores_one_and_half_a_pixel_matters(task):
    found, ids = truth(task)
    evaluator = task.build_evaluator()
    poses = task._poses([as_table(found)], ids, np.arange(len(ids)))
    evaluator.update(poses)
    metrics = evaluator.compute()
    assert metrics["AP"] == pytest.approx(1.0)
    assert metrics["box AP"] == pytest.approx(1.0)
    wrong = task.build_evaluator()
    moved = {**poses.__dict__, "keypoints": poses.keypoints + np.float32(0.5)}
    wrong.update(Poses(**moved))
    assert wrong.compute()["AP"] < 1


def test_rows_of_results_carry_the_box(task):
    found, ids = truth(task)
    evaluator = task.build_evaluator()
    evaluator.update(task._poses([as_table(found)], ids, np.arange(len(ids))))
    row = evaluator.rows()[0]
    x1, y1, x2, y2 = found[0]["boxes"][0].tolist()
    assert row["bbox"] == pytest.approx([x1, y1, x2 - x1, y2 - y1])
    assert row["keypoints"][:2] == pytest.approx((found[0]["keypoints"][0, 0, :2] - 0.5).tolist())


def test_people_are_told_apart_by_image_also_where_nobody_is(task):
    one = {"boxes": torch.rand(2, 4), "scores": torch.rand(2), "keypoints": torch.rand(2, 17, 3)}
    none = {"boxes": torch.rand(0, 4), "scores": torch.rand(0), "keypoints": torch.rand(0, 17, 3)}
    poses = task._poses(
        [as_table([one, none]), as_table([one])], np.array([30, 20, 10]), np.array([2, 1, 0])
    )
    assert poses.image_ids.tolist() == [30, 30, 10, 10]
    assert poses.indices.tolist() == [2, 2, 0, 0]
    assert np.allclose(poses.crops[:, :2], (poses.boxes[:, :2] + poses.boxes[:, 2:]) / 2)
    assert len(task._poses([as_table([none])], np.array([7]), np.array([0]))) == 0


def test_losses_come_from_a_batch_of_the_loader_and_gradients_follow(task):
    torch.manual_seed(0)
    model = task.build_model().train()
    data = task.build_train_dataset()
    batch = task.collate([data[0, index] for index in range(3)])
    losses = task.loss_step(model, batch)
    assert losses.pop(SAMPLES).shape == (3,)
    assert len(losses) == 5
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_channels_reach_the_network_as_asked(task, config):
    seen = []

    class Model(torch.nn.Module):
        image_losses = None

        def forward(self, images, targets):
            seen.append(images[0])
            return {}

    model = Model()

    image = torch.zeros(5, 7, 3, dtype=torch.uint8)
    image[..., 2] = 255  # red, of blue-green-red
    batch = {"images": [image], "targets": None}
    task.loss_step(model, batch)
    build_task(load_config(config, ["DATASET.COLOR_RGB", "false"])).loss_step(model, batch)
    assert [planes.shape for planes in seen] == [(3, 5, 7)] * 2
    assert seen[0].amax(dim=(1, 2)).tolist() == [1, 0, 0]
    assert seen[1].amax(dim=(1, 2)).tolist() == [0, 0, 1]


def test_predictions_cover_the_split_and_flip_testing_asks_for_it(config):
    task = build_task(load_config(config, ["TEST.FLIP_TEST", "true"]))
    torch.manual_seed(0)
    model = task.build_model().eval()
    model.roi_heads.score_thresh = 0.0
    rows = []
    with torch.no_grad():
        for batch in task.build_test_loader():
            poses = task.predict_step(model, batch)()
            rows += sorted(set(poses.indices.tolist()))
    assert sorted(rows) == [0, 1, 2, 3]
    flips = []
    none = {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "keypoints": torch.zeros(0, 0)}
    task._find(lambda images, flip_index: flips.append(flip_index) or [none], batch["images"])
    assert flips[0].tolist() == task.skeleton.flip_index.tolist()


def test_one_image(task):
    torch.manual_seed(0)
    model = task.build_model().eval()
    model.roi_heads.score_thresh = 0.0
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    with torch.no_grad():
        poses = task.predict_images(model, [image], [None])
    assert len(poses) > 0
    with pytest.raises(ValueError, match="leave out boxes"):
        task.predict_images(model, [image], [np.zeros((1, 4))])


def test_people_are_the_same_one_by_one_and_side_by_side(config, three_cores):
    task = build_task(load_config(config, ["TEST.BATCH_SIZE_PER_GPU", "3", "WORKERS", "0"]))
    torch.manual_seed(0)
    model = task.build_model().eval()
    model.roi_heads.score_thresh = 0.0
    together = predict(task, model, torch.device("cpu"), Precision())
    assert torch.get_num_threads() == 3
    torch.set_num_threads(1)
    alone = predict(task, model, torch.device("cpu"), Precision())
    assert len(alone) > 0
    for name in ("keypoints", "keypoint_scores", "scores", "boxes", "indices", "image_ids"):
        assert np.array_equal(getattr(alone, name), getattr(together, name)), name
    images = [task._images.read(row) for row in range(3)]
    with torch.no_grad():
        found = task.predict_images(model, images, [None, np.zeros((0, 4)), None])
    assert set(found.image_ids.tolist()) == {0, 2}
    for row in (0, 2):
        mine, wanted = (p.keypoints[p.indices == row] for p in (found, alone))
        assert np.array_equal(mine, wanted)


def test_groups_of_shape(task, config):
    data = task.build_train_dataset()
    assert task.group_ids() == data.aspect_groups()
    words = ["MODEL.EXTRA.INPUT.GROUP_ASPECT", "false"]
    assert build_task(load_config(config, words)).group_ids() is None


def test_rescoring_is_a_switch(task, config):
    found, ids = truth(task)
    found[0]["keypoints"][..., 2] = 0.5  # probabilities
    rows = {}
    for words in ([], ["MODEL.EXTRA.TEST.RESCORE", "true"]):
        chosen = build_task(load_config(config, ["TEST.IN_VIS_THRE", "0.2", *words]))
        evaluator = chosen.build_evaluator()
        evaluator.update(chosen._poses([as_table(found[:1])], ids[:1], np.arange(1)))
        rows[bool(words)] = evaluator.rows()[0]["score"]
    assert rows == {False: 1.0, True: 0.5}


def test_what_a_weights_file_remembers(task):
    described = task.describe()
    assert described["boxes"] == "found by the model"
    assert described["codec"] == "roi bicubic"
    assert described["joints"][0] == "nose"
    assert task.splits_batches is False


@pytest.mark.parametrize(
    "words",
    [
        ["MODEL.EXTRA.BACKBONE.NORM", "FrozenBN"],
        ["MODEL.EXTRA.BACKBONE.TRAINABLE_LAYERS", "3"],
    ],
)
def test_training_from_nothing_does_not_freeze_random_weights(config, words):
    task = build_task(load_config(config, words))
    with pytest.raises(ConfigError, match=r"MODEL.PRETRAINED is empty.*NORM BN"):
        task.build_train_dataset()
    task = build_task(load_config(config, [*words, "MODEL.PRETRAINED", "some.pth"]))
    task.build_train_dataset()


def test_mpii_has_no_boxes_to_learn(config):
    with pytest.raises(ConfigError, match="MPII"):
        build_task(load_config(config, ["DATASET.DATASET", "mpii"]))


def test_another_joint_count(config):
    task = build_task(load_config(config, ["MODEL.NUM_JOINTS", "16"]))
    with pytest.raises(ConfigError, match=r"MODEL.NUM_JOINTS is 16"):
        task.build_train_dataset()


# Nothing is drawn: all anchors and proposals are sampled, equally many in every image.
ALL = {
    "RPN": {"NMS": 1.0, "BATCH": 100_000},
    "ROI": {"BATCH": 1000},
    "KEYPOINT": {"LOSS_NORM": "static"},  # each rank has visible joints of its own
}
BY_TWO = ["TRAIN.BATCH_SIZE_PER_GPU", "2", "TEST.BATCH_SIZE_PER_GPU", "1"]  # nothing is padded


def test_two_ranks_have_gradients_and_people_of_one_process(tmp_path):
    """Four images of one shape in one process, two of them on each of two ranks."""
    write_dataset(
        tmp_path, Recipe(train=8, val=2, seed=3, size=(160, 120), people=(1, 1)), workers=1
    )
    config = write_config(tmp_path, tmp_path)
    settings = yaml.safe_load(config.read_text())
    settings["MODEL"]["EXTRA"] = merged(TINY, ALL)
    config.write_text(yaml.safe_dump(settings))
    by_four = [BY_TWO[0], "4", *BY_TWO[2:]]
    wanted = gradients_and_results(config, tmp_path / "one", *by_four)
    answers = launch(gradients_and_results, 2, config, tmp_path / "two", *BY_TWO)
    for found in answers:
        assert found.keys() == wanted.keys()
        for name, gradient in wanted.items():
            np.testing.assert_allclose(found[name], gradient, rtol=1e-3, atol=1e-6, err_msg=name)
            assert gradient.any(), name
    one, two = (people_found(tmp_path / name) for name in ("one", "two"))
    np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-3)


def people_found(folder):
    """Return image, score, box and joints of every row of a results file."""
    rows = json.loads(next((folder / "results").glob("*.json")).read_text())
    return [[row["image_id"], row["score"], *row["bbox"], *row["keypoints"]] for row in rows]
