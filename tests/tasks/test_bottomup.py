import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from lib.codecs.associative import encode_heatmaps
from lib.datasets.image_people import people_of_images
from lib.datasets.sources import read_source
from lib.structures.geometry import apply_affine
from lib.structures.results import Poses
from lib.utils.errors import ConfigError, DataError, ExportError
from lib.utils.losses import SAMPLES


class Oracle(nn.Module):
    """Returns the targets of the people it was told of: person n has tag 10 n everywhere."""

    def __init__(self, task, people):
        super().__init__()
        self.task, self.people = task, people
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        outputs = []
        size = (images.shape[3], images.shape[2])
        keypoints, visible = self.people
        view = self.task._merger._view(self.size, self.scale_of(size))
        points = torch.from_numpy(apply_affine(view.affine_to(size), keypoints)).float()
        shown = torch.from_numpy(visible > 0)
        mirrored = points[:, self.task.skeleton.flip_index].clone()
        mirrored[..., 0] = size[0] - 1 - mirrored[..., 0]
        both = torch.stack([points, mirrored])[: len(images)]
        shown = torch.stack([shown, shown[:, self.task.skeleton.flip_index]])[: len(images)]
        for stride in (4, 2):
            side = max(size) // stride
            cells = both / stride
            heat = encode_heatmaps(cells, shown, side, 2.0)[
                ..., : size[1] // stride, : size[0] // stride
            ]
            outputs.append(heat)
        tags = torch.zeros_like(outputs[0])
        for n in range(len(keypoints)):
            own = encode_heatmaps(both[:, n : n + 1] / 4, shown[:, n : n + 1], max(size) // 4, 2.0)
            own = own[..., : size[1] // 4, : size[0] // 4]
            tags = torch.where(own > 0.05, 10.0 * (n + 1), tags)
        return [torch.cat([outputs[0], tags], dim=1), outputs[1]]

    def scale_of(self, size):
        for scale in self.task.scales:
            if self.task._merger._view(self.size, scale).size == size:
                return scale
        raise AssertionError(size)


def apart():
    """Three people whose blobs do not touch, in a 160x120 image."""
    keypoints = np.zeros((3, 17, 2))
    for n in range(3):
        keypoints[n] = np.stack([np.arange(17) % 3 * 11, np.arange(17) // 3 * 17], axis=1)
        keypoints[n] += (14 + 50 * n, 12)
    return keypoints, np.ones((3, 17))


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("TEST.FLIP_TEST=false",),
        ("TEST.SCALE_FACTOR=[0.5,1,2]",),
        ("TEST.SCALE_FACTOR=[2]",),
        ("TEST.PROJECT2IMAGE=false",),
        ("TEST.MATCHER=scipy",),
    ],
    ids=str,
)
def test_people_of_targets_are_found_where_they_are(make, overrides):
    task = make("DATASET.INPUT_SIZE=256", "DATASET.OUTPUT_SIZE=[64,128]", *overrides)
    oracle = Oracle(task, apart())
    oracle.size = (160, 120)
    poses = task.predict_images(oracle, [np.zeros((120, 160, 3), np.uint8)], [None])
    assert len(poses) == 3
    order = np.argsort(poses.keypoints[:, 0, 0])
    error = np.abs(poses.keypoints[order] - apart()[0])
    # A cell of the fine output is about one image pixel.
    assert error.max() < 2.2, error.max()
    assert poses.keypoint_scores.min() > 0.3
    assert (poses.boxes[:, :2] <= poses.keypoints.min(axis=1)).all()


def test_who_has_a_centre_only_is_left_out(make):
    task = make(
        "DATASET.WITH_CENTER=true", "TEST.IGNORE_CENTER=false",
        "TEST.FLIP_TEST=false", "TEST.REFINE=false",
    )  # fmt: skip

    class Two(nn.Module):
        """A nose with tag 20, and the centre of somebody else with tag 0."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, images):
            height, width = images.shape[2:]
            coarse = torch.zeros(1, 36, height // 4, width // 4)
            fine = torch.zeros(1, 18, height // 2, width // 2)
            for joint, cell in ((0, 5), (17, 10)):
                coarse[:, joint, cell, cell] = fine[:, joint, 2 * cell, 2 * cell] = 1
            coarse[:, 18] = 20
            return [coarse, fine]

    with torch.no_grad():
        poses = task.predict_images(Two(), [np.zeros((100, 120, 3), np.uint8)], [None])
    assert len(poses) == 1
    assert poses.keypoint_scores[0, 0] > 0.1
    assert np.isfinite(poses.boxes).all()
    assert np.isfinite(poses.crops).all()


def test_an_image_without_people_is_an_empty_answer(make):
    task = make()
    torch.manual_seed(0)
    poses = task.predict_images(Oracle_of_nobody(), [np.zeros((90, 70, 3), np.uint8)], [None])
    assert len(poses) == 0
    evaluator = task.build_evaluator()
    evaluator.update(poses)
    assert evaluator.compute()["AP"] == 0


class Oracle_of_nobody(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        count, _, height, width = images.shape
        coarse = torch.zeros(count, 34, height // 4, width // 4)
        return [coarse, torch.zeros(count, 17, height // 2, width // 2)]


def test_boxes_are_refused(make):
    with pytest.raises(ValueError, match="finds people itself"):
        make().predict_images(
            Oracle_of_nobody(), [np.zeros((9, 9, 3), np.uint8)], [np.zeros((1, 4))]
        )


def test_no_file_groups_people(make):
    with pytest.raises(ExportError, match=r"grouped one by one, .*; leave out --joints"):
        make().graph(nn.Identity(), decode=True)
    assert make().graph(nn.Identity()).sizes[0] != make().graph(nn.Identity()).sizes[1]


def test_ground_truth_as_prediction_scores_one(make):
    task = make()
    people = people_of_images(read_source(task.test_source, task.skeleton)).people
    labelled = people.select((people.visibility > 0).any(axis=1))
    evaluator = task.build_evaluator()
    evaluator.update(
        Poses(
            image_ids=labelled.images.ids[labelled.image_index],
            keypoints=labelled.keypoints,
            keypoint_scores=np.ones(labelled.visibility.shape, np.float32),
            scores=np.ones(len(labelled), np.float32),
            boxes=labelled.boxes,
            indices=labelled.image_index.astype(np.int64),
            crops=labelled.boxes,
        )
    )
    assert evaluator.compute()["AP"] == pytest.approx(1.0)
    row = evaluator.rows()[0]
    points = np.array(row["keypoints"]).reshape(-1, 3)[:, :2]
    wanted = [*points.min(axis=0), *np.ptp(points, axis=0)]
    np.testing.assert_allclose(row["bbox"], wanted, atol=1e-3)


def test_losses_by_name_and_their_fall(make):
    torch.manual_seed(0)
    task = make("DATASET.FLIP=0")
    model, data = task.build_model(), task.build_train_dataset()
    batch = task.collate([data[0, index] for index in range(3)])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    first = None
    for _ in range(30):
        losses = task.loss_step(model, batch)
        images = losses.pop(SAMPLES)
        assert list(losses) == ["heatmap_0", "push_0", "pull_0", "heatmap_1"]
        torch.testing.assert_close(images.mean(), sum(losses.values()).detach())
        first = first or {name: value.item() for name, value in losses.items()}
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert losses["heatmap_0"] < 0.7 * first["heatmap_0"]
    assert losses["heatmap_1"] < 0.9 * first["heatmap_1"]


@pytest.mark.parametrize(
    "overrides",
    [
        ("DATASET.SCALE_AWARE_SIGMA=true",),
        ("DATASET.WITH_CENTER=true",),
        ("MODEL.TAG_PER_JOINT=false",),
        ("LOSS.WITH_AE_LOSS=[true,true]", "TEST.WITH_AE=[true,true]"),
        ("LOSS.WITH_HEATMAPS_LOSS=[true,false]",),
        ("DATASET.WITH_CENTER=true", "TEST.IGNORE_CENTER=false"),
    ],
    ids=str,
)
def test_options_of_the_spec_train_and_predict(make, overrides):
    torch.manual_seed(0)
    task = make(*overrides)
    model, data = task.build_model(), task.build_train_dataset()
    losses = task.loss_step(model, task.collate([data[0, 0], data[0, 1]]))
    assert all(torch.isfinite(value).all() for value in losses.values())
    model.eval()
    with torch.no_grad():
        batch = next(iter(task.build_test_loader()))
        poses = task.predict_step(model, batch)()
    assert poses.keypoints.shape[1] == task.num_joints == 17


@pytest.mark.parametrize("centre", [False, True])
def test_training_images_are_mirrored_with_partners(make, centre):
    task = make(f"DATASET.WITH_CENTER={centre}")
    order = task.build_train_dataset().flip_index.tolist()
    assert order[:5] == [0, 2, 1, 4, 3]
    assert order[15:] == [16, 15, 17][: 2 + centre]


def test_outlines_of_people_without_joints_hide_them(make, synthpose, tmp_path):
    shutil.copytree(synthpose / "coco", tmp_path / "coco")
    file = tmp_path / "coco/annotations/person_keypoints_train2017.json"
    content = json.loads(file.read_text())
    for row in content["annotations"][1:]:  # the first is somebody to train on
        row |= {"num_keypoints": 0, "keypoints": [0] * 51}
        row["segmentation"] = [[0, 0, 999, 0, 999, 999, 0, 999]]
    file.write_text(json.dumps(content))
    dataset = make(root=tmp_path / "coco").build_train_dataset()
    masks = [dataset[0, index]["masks"][0] for index in range(len(dataset))]
    assert min(mask.mean() for mask in masks) < 0.1


def test_loss_uses_masks_and_the_most_annotated_thirty(make):
    task = make()
    batch = {
        "image": torch.zeros(1, 128, 128, 3, dtype=torch.uint8),
        "keypoints": [torch.full((1, 34, 17, 2), 7.0)] * 2,
        "visible": torch.ones(1, 34, 17),
        "masks": [
            torch.ones(1, 32, 32, dtype=torch.uint8),
            torch.ones(1, 64, 64, dtype=torch.uint8),
        ],
    }
    model = Oracle_of_nobody()
    everything = task.loss_step(model, batch)
    assert everything["pull_0"] == 0
    assert everything["push_0"] == pytest.approx(0.5 * 0.001)  # thirty people with one tag
    single = make("DATASET.MAX_NUM_PEOPLE=1").loss_step(model, batch)
    assert single["push_0"] == 0
    batch["masks"][0] = batch["masks"][0] * 0
    coarse_hidden = task.loss_step(model, batch)
    assert coarse_hidden["heatmap_0"] == 0
    assert coarse_hidden["heatmap_1"] == everything["heatmap_1"]
    batch["masks"] = [mask * 0 for mask in batch["masks"]]
    hidden = task.loss_step(model, batch)
    assert everything["heatmap_0"] > 0
    assert hidden["heatmap_0"] == hidden["heatmap_1"] == 0


def test_crowdpose_reads_trains_and_scores(make, synthpose):
    task = make(
        "DATASET.DATASET=crowd_pose_kpt", "DATASET.DATASET_TEST=crowd_pose",
        "DATASET.TRAIN_SET=trainval", "DATASET.TEST_SET=test",
        root=synthpose / "crowdpose", joints=14,
    )  # fmt: skip
    assert task.skeleton.name == "crowdpose"
    assert len(task.build_train_dataset()) == 6
    losses = task.loss_step(task.build_model(), task.collate([task.build_train_dataset()[0, 0]]))
    assert "heatmap_1" in losses
    evaluator = task.build_evaluator()
    evaluator.update(Poses.empty(14))
    assert {"AP", "AP (easy)", "AP (hard)"} <= evaluator.compute().keys()


def test_other_joint_counts_are_named(make, synthpose):
    with pytest.raises(ConfigError, match=r"NUM_JOINTS is 14, but people in .* have 17 joints"):
        make(joints=14).build_train_dataset()
    with pytest.raises(ConfigError, match="NUM_JOINTS"):
        make(joints=14).build_test_loader()
    path = synthpose / "coco/annotations/person_keypoints_val2017.json"
    rows = json.loads(path.read_text())
    rows["annotations"][0]["keypoints"] = [0] * 42
    short = path.with_name("short.json")
    short.write_text(json.dumps(rows))
    with pytest.raises(DataError, match="has 14 joints"):
        make(f"DATASET.ANNOTATION_TEST={short}").build_test_loader()


def test_a_test_split_without_annotations_is_predicted(make, tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images/test2017").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "images/test2017/7.png"), np.zeros((40, 60, 3), np.uint8))
    images = [{"id": 7, "file_name": "7.png", "width": 60, "height": 40}]
    file = tmp_path / "annotations/image_info_test-dev2017.json"
    file.write_text(json.dumps({"images": images}))
    task = make("DATASET.TEST_SET=test-dev2017", "DATASET.SKELETON=coco", root=tmp_path)
    batches = list(task.build_test_loader())
    assert len(batches) == 1
    assert len(task.predict_step(Oracle_of_nobody(), batches[0])()) == 0


def test_describe(make):
    described = make("TEST.SCALE_FACTOR=[0.5,1,2]").describe()
    assert described["scales"] == [2, 1, 0.5]
    assert described["boxes"] == "none (bottom-up)"
    assert described["joints"][0] == "nose"
