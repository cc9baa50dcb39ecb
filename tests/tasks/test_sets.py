"""Several data sets in one run: the three formats of synthpose, joined by the names of joints."""

import json
import re

import numpy as np
import pytest
import torch
import yaml
from tinyrcnn import write_config
from toys.mixed import write_mix

from lib.config import ConfigError, load_config, save_config
from lib.engine import fit
from lib.engine.checkpointing import check_fingerprint, fingerprint
from lib.engine.sampling import EpochSampler
from lib.engine.stream import TrainStream
from lib.structures.geometry import box_to_crop
from lib.structures.results import Poses
from lib.structures.skeleton import load_skeleton
from lib.tasks import build_task
from lib.tasks.card import portable_config, training_data
from lib.tasks.pixels import normalise

ADDED = ("pelvis", "thorax", "upper_neck", "head_top", "head", "neck")
COCO = load_skeleton("coco").joints


@pytest.fixture
def mix(tiny_config, synthpose):
    """Return a function that loads the tiny configuration with the three formats as a mix."""
    write_mix(tiny_config, synthpose)
    return lambda *overrides: load_config(tiny_config, overrides)


def labelled(part):
    """Return the joints of the union that a format labels, as (23,) bool."""
    names = {"coco": COCO, "mpii": load_skeleton("mpii").joints}
    names["crowd"] = load_skeleton("crowdpose").joints
    return np.array([joint in names[part] for joint in (*COCO, *ADDED)])


def test_the_union_is_what_the_network_predicts(mix):
    task = build_task(mix())
    assert set(task.skeleton.joints) == {*COCO, *ADDED}
    assert task.describe()["joints"] == list(task.skeleton.joints)
    assert list(task.test_sets) == ["coco", "mpii", "crowd"]
    assert all(part.skeleton is task.skeleton for part in task.test_sets.values())
    assert task.describe()["boxes"] == "coco annotated, mpii annotated, crowd annotated"


def test_a_set_that_its_weight_keeps_out_of_every_epoch_is_refused(mix):
    weights = [f"DATASET.MIX.{name}.WEIGHT={w}" for name, w in (("coco", 1), ("mpii", 1))]
    task = build_task(mix(*weights, "DATASET.MIX.crowd.WEIGHT=0.0001"))
    with pytest.raises(ConfigError, match=r"WEIGHT 0\.0001, crowd has no sample in an epoch of"):
        task.build_train_dataset()


@pytest.mark.parametrize("loss", ["plain", "ohkm"])
def test_joints_that_a_set_does_not_label_have_no_gradient_at_all(mix, loss):
    task = build_task(mix(f"LOSS.USE_OHKM={loss == 'ohkm'}"))
    torch.manual_seed(0)
    model = task.build_model()
    data = task.build_train_dataset()
    start = 0
    for part, (size, _) in zip(task.test_sets, data.shares, strict=True):
        keys = [(0, start + row) for row in range(min(size, 6))]
        model.zero_grad()
        task.loss_step(model, task.collate(data.batch(keys)))["heatmap"].backward()
        rows = model.head.final_layer.weight.grad.flatten(1).abs().amax(dim=1).numpy()
        names = np.array(task.skeleton.joints)
        known = np.isin(names, np.array([*COCO, *ADDED])[labelled(part)])
        assert (rows[~known] == 0).all(), part
        if loss == "plain":
            assert (rows[known] > 0).mean() > 0.8, part
        start += size


def test_every_set_keeps_its_own_augmentation(mix):
    data = build_task(mix("DATASET.FLIP=1.0")).build_train_dataset()
    ends = np.cumsum([size for size, _ in data.shares])
    assert [data.stages.at(0, int(end) - 1).flip for end in ends] == [1.0, 0.0, 1.0]


def test_truth_as_prediction_scores_one_on_every_set(mix):
    task = build_task(mix())
    for name, part in task.test_sets.items():
        own, table = part.build_evaluator(), part.people
        places = own.places
        keypoints = np.full((len(table), 23, 2), 7.0, np.float32)
        keypoints[:, places] = table.keypoints
        scores = np.zeros((len(table), 23), np.float32)
        scores[:, places] = table.visibility > 0
        own.update(
            Poses(
                image_ids=table.images.ids[table.image_index],
                keypoints=keypoints,
                keypoint_scores=scores,
                scores=table.scores,
                boxes=table.boxes,
                indices=np.arange(len(table)),
                crops=box_to_crop(table.boxes, 2 / 3),
            )
        )
        wanted = 100 if name == "mpii" else 1
        assert own.compute()[own.primary] == pytest.approx(wanted), name


def test_a_run_is_tested_on_every_set(mix, tmp_path):
    cfg = mix("TRAIN.END_EPOCH=1", "TEST.BEST=mpii/Mean")
    result = fit(cfg, build_task(cfg), tmp_path / "run")
    metrics = result.evaluation.metrics
    assert {name.partition("/")[0] for name in metrics} == {"coco", "mpii", "crowd"}
    assert {"coco/AP", "mpii/Mean@0.1", "crowd/AP (hard)"} <= metrics.keys()
    assert result.evaluation.score == metrics["mpii/Mean"]
    results = tmp_path / "run" / "results"
    rows = json.loads((results / "crowd/results/keypoints_test_results_0.json").read_text())
    assert {len(row["keypoints"]) for row in rows} == {3 * 14}
    assert (results / "mpii" / "pred.mat").is_file()


@pytest.mark.parametrize(
    ("best", "near"), [("mpi/Mean", "Known: coco/AP"), ("crowd/AP (hart)", "Did you mean crowd/AP")]
)
def test_an_unknown_best_score_is_named_before_the_training(mix, tmp_path, best, near):
    cfg = mix("TRAIN.END_EPOCH=1", f"TEST.BEST={best}")
    with pytest.raises(ConfigError, match=f"no score {re.escape(best)}\\. {re.escape(near)}"):
        fit(cfg, build_task(cfg), tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_score_that_cannot_be_told_beforehand_is_named_after_the_first_evaluation(mix, tmp_path):
    cfg = mix("TRAIN.MAX_ITER=1", "TRAIN.EVAL_PERIOD=0", "TEST.BEST=mpii/Maen")
    with pytest.raises(ConfigError, match=r"no score mpii/Maen\. Did you mean mpii/Mean"):
        fit(cfg, build_task(cfg), tmp_path / "run")
    assert (tmp_path / "run" / "checkpoint.pth").exists()


@pytest.mark.parametrize("together", [False, True])
def test_workers_and_resuming_do_not_change_a_sample(mix, together):
    words = [
        "DATASET.MIX.coco.WEIGHT=3", "DATASET.MIX.mpii.WEIGHT=1", "DATASET.MIX.crowd.WEIGHT=2",
        "DATASET.PHOTOMETRIC.PRESET=strong",
        "DATASET.STAGES=[{EPOCH: 1, PHOTOMETRIC: {PRESET: light}}]",
    ]  # fmt: skip
    task = build_task(mix(*words))

    def batches(workers, epoch, start=0):
        data = task.build_train_dataset()
        sampler = EpochSampler(
            len(data),
            4,
            seed=1,
            shares=data.shares,
            together=data.sources if together else None,
        )
        stream = TrainStream(task, data, sampler, workers=workers, pin=False)
        return [item.batch for item in stream.batches(epoch, start)]

    for epoch in (0, 1):
        whole = batches(0, epoch)
        for other, skipped in ((batches(2, epoch), 0), (batches(1, epoch, 3), 3)):
            for left, right in zip(whole[skipped:], other, strict=True):
                assert all(torch.equal(left[name], right[name]) for name in left)


def test_the_resolved_file_is_the_same_mix(mix, tmp_path):
    cfg = mix("DATASET.MIX.mpii.RENAME={thorax: neck}", "MODEL.NUM_JOINTS=22")
    save_config(cfg, tmp_path / "config.yaml")
    again = load_config(tmp_path / "config.yaml")
    assert again == cfg
    assert build_task(again).skeleton == build_task(cfg).skeleton


def test_a_network_may_predict_less_or_more_than_one_set_labels(tiny_config, tmp_path):
    less = tmp_path / "less.yaml"
    less.write_text("joints: [nose, LShoulder, RShoulder]\n")
    task = build_task(load_config(tiny_config, [f"MODEL.SKELETON={less}", "MODEL.NUM_JOINTS=3"]))
    batch = task.build_train_dataset()
    assert batch[0, 0]["keypoints"].shape == (3, 2)
    with pytest.raises(ConfigError, match=r"coco val2017 is scored by left_eye, .*MODEL.SKELETON"):
        task.build_evaluator()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["MODEL.NUM_JOINTS=17"], "MODEL.NUM_JOINTS is 17, but the union .* has 23 joints: nose"),
        (["DATASET.MIX.mpii.RENAME={chest: neck}"], "mpii has no joint chest"),
    ],
)
def test_joints_that_do_not_fit_are_named(mix, words, message):
    with pytest.raises(ConfigError, match=message):
        build_task(mix(*words)).build_train_dataset()


def test_weights_can_be_used_away_from_the_data_sets(mix):
    cfg = mix()
    task = build_task(cfg)
    copy = portable_config(cfg, task.skeleton)
    assert not copy.DATASET.MIX
    assert build_task(copy).skeleton == task.skeleton
    assert [row["file"] for row in training_data(cfg)][:2] == [
        "person_keypoints_train2017.json",
        "train.json",
    ]


def test_the_card_names_the_files_that_are_read_for_trainval(tmp_path):
    (tmp_path / "json").mkdir()
    file = tmp_path / "a.yaml"
    file.write_text(f"DATASET: {{DATASET: crowdpose, ROOT: {tmp_path}, TRAIN_SET: trainval}}")
    for part in ("train", "val"):
        (tmp_path / f"json/crowdpose_{part}.json").write_text(part)
    cfg = load_config(file)
    names = [row["file"] for row in training_data(cfg)]
    assert names == ["crowdpose_train.json", "crowdpose_val.json"]
    (tmp_path / "json/crowdpose_trainval.json").write_text("both")
    assert [row["file"] for row in training_data(cfg)] == ["crowdpose_trainval.json"]


def formats(folder):
    """Return entries of a mix for models of whole images: two formats of synthpose."""
    return [
        {"DATASET": "coco", "ROOT": f"{folder}/coco", "TRAIN_SET": "train2017",
         "TEST_SET": "val2017", "WEIGHT": 2},
        {"NAME": "crowd", "DATASET": "crowdpose", "ROOT": f"{folder}/crowdpose",
         "TRAIN_SET": "trainval", "TEST_SET": "test", "WEIGHT": 1},
    ]  # fmt: skip


def known_to_crowd(task):
    return np.isin(np.array(task.skeleton.joints), load_skeleton("crowdpose").joints)


def test_bottom_up_leaves_alone_what_a_set_does_not_label(make, synthpose):
    words = [f"DATASET.MIX={yaml.safe_dump(formats(synthpose), default_flow_style=True)}"]
    task = make(*words, "DATASET.PHOTOMETRIC.PRESET=strong", joints=19)
    assert task.skeleton.joints == (*COCO, "head", "neck")
    torch.manual_seed(0)
    model = task.build_model()
    data = task.build_train_dataset()
    sizes = [size for size, _ in data.shares]
    assert sizes == [6, 6]
    assert [count for _, count in data.shares] == [8, 4]
    for start, known in ((0, np.arange(19) < 17), (6, known_to_crowd(task))):
        batch = task.collate([data[0, start + n] for n in range(4)])
        assert (batch["labelled"].numpy() == known).all()
        # Of the maps, not of the layers: the first stage's maps are an input of the second.
        for stage, output in enumerate(model(normalise(batch["image"], task.pixels))):
            maps = output.detach().requires_grad_()
            parts = task._stage_losses(stage, maps, batch)
            sum(part.mean() * factor for part, factor in parts.values()).backward()
            gradients = maps.grad.abs().amax(dim=(0, 2, 3)).numpy()
            assert (gradients[:19][~known] == 0).all()
            assert (gradients[:19][known] > 0).all()
            if stage == 0:
                assert (gradients[19:][~known] == 0).all()
                assert (gradients[19:][known] > 0).any()
    again = data[0, 3 + len(data)]  # the same image, shown for the second time in the epoch
    assert not np.array_equal(again["image"], data[0, 3]["image"])
    assert [len(part.test_images) for part in task.test_sets.values()] == [4, 4]
    evaluators = {name: part.build_evaluator() for name, part in task.test_sets.items()}
    assert [len(one.places) for one in evaluators.values()] == [17, 14]


def test_one_stage_takes_a_mix(synthpose, tmp_path):
    path = write_config(tmp_path, synthpose)
    content = yaml.safe_load(path.read_text())
    content["MODEL"]["NUM_JOINTS"] = 19
    content["DATASET"]["MIX"] = formats(synthpose)
    content["MODEL"]["EXTRA"]["INPUT"]["GROUP_ASPECT"] = False
    path.write_text(yaml.safe_dump(content))
    task = build_task(load_config(path, ["DATASET.PHOTOMETRIC.PRESET=light"]))
    data = task.build_train_dataset()
    assert data.shares == [(6, 8), (6, 4)]
    torch.manual_seed(0)
    model = task.build_model().train()
    batch = task.collate([data[0, 6], data[0, 7]])
    model.zero_grad()
    task.loss_step(model, batch)["loss_keypoint"].backward()
    grads = [p.grad for name, p in model.named_parameters() if p.shape[:2] == (16, 19)]
    assert grads
    rows = grads[0].transpose(0, 1).flatten(1).abs().amax(dim=1).numpy()
    assert (rows[~known_to_crowd(task)] == 0).all()
    assert rows.any()
    result = fit(task.cfg, task, tmp_path / "run")
    assert {"coco/AP", "coco/box AP", "crowd/AP"} <= result.evaluation.metrics.keys()
    grouped = load_config(path, ["MODEL.EXTRA.INPUT.GROUP_ASPECT=true"])
    with pytest.raises(ConfigError, match="GROUP_ASPECT needs everybody once per epoch"):
        build_task(grouped).group_ids()


def test_a_moved_data_set_is_the_same_run(mix):
    stored = fingerprint(mix())
    check_fingerprint(stored, fingerprint(mix("DATASET.MIX.mpii.ROOT=elsewhere")), "run")
    with pytest.raises(ConfigError, match=r"DATASET\.MIX\.mpii\.FLIP was 0\.0, is 0\.5"):
        check_fingerprint(stored, fingerprint(mix("DATASET.MIX.mpii.FLIP=0.5")), "run")
    words = [f"DATASET.MIX.{name}.WEIGHT=2" for name in ("coco", "mpii", "crowd")]
    weighted = fingerprint(mix(*words))
    with pytest.raises(ConfigError, match=r"MIX\.coco\.WEIGHT was absent, is 2\.0"):
        check_fingerprint(stored, weighted, "run")
