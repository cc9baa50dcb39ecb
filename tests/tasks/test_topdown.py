import numpy as np
import pytest
import torch

from lib.config import ConfigError, load_config
from lib.structures.geometry import box_to_crop
from lib.structures.results import Poses
from lib.tasks import build_task


@pytest.fixture
def task(tiny_config):
    return build_task(load_config(tiny_config))


def test_ground_truth_as_prediction_scores_one(task):
    people = task.people
    evaluator = task.build_evaluator()
    evaluator.update(
        Poses(
            image_ids=people.images.ids[people.image_index],
            keypoints=people.keypoints,
            keypoint_scores=(people.visibility > 0).astype(np.float32),
            scores=people.scores,
            boxes=people.boxes,
            indices=np.arange(len(people)),
            crops=box_to_crop(people.boxes, 2 / 3),
        )
    )
    metrics = evaluator.compute()
    assert metrics["AP"] == pytest.approx(1.0)
    assert metrics["AR"] == pytest.approx(1.0)


def test_the_centre_of_people_is_for_bottom_up_models(tiny_config):
    task = build_task(load_config(tiny_config, ["DATASET.WITH_CENTER=true"]))
    with pytest.raises(
        ConfigError, match=r"WITH_CENTER adds the centre of a person .*leave it out"
    ):
        task.build_train_dataset()


def test_loss_falls_when_one_batch_is_learned(task):
    torch.manual_seed(0)
    model = task.build_model()
    data = task.build_train_dataset()
    batch = task.collate([data[0, index] for index in range(3)])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(25):
        loss = task.loss_step(model, batch)["heatmap"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_targets_answer_to_keypoints_through_the_whole_chain(task):
    """An oracle network, which returns the targets, finds the people where they are."""
    people, codec = task.people, task.codec
    matrices = []

    class Oracle(torch.nn.Module):
        def forward(self, images):
            count = len(images) // 2
            keypoints = matrices.pop()
            mirrored = keypoints.clone()
            mirrored[..., 0] = codec.input_size[0] - 1 - mirrored[..., 0]
            mirrored = mirrored[:, task.skeleton.flip_index]
            everyone = torch.cat([keypoints, mirrored])
            assert len(everyone) == 2 * count
            return codec.encode(everyone, torch.ones(everyone.shape[:2]))[0]

    from lib.structures.geometry import apply_affine, image_to_crop_affine

    for batch in task.build_test_loader():
        rows = batch["index"]
        affine = image_to_crop_affine(batch["crop"].numpy(), codec.input_size)
        crops = apply_affine(affine, people.keypoints[rows]).astype(np.float32)
        matrices.append(torch.from_numpy(crops))
        poses = task.predict_step(Oracle(), batch)()
        inside = (crops > 2).all(-1) & (crops < np.array(codec.input_size) - 6).all(-1)
        seen = inside & (people.visibility[rows] > 0)
        # A cell is 4 pixels of the crop; the quarter step halves its half.
        scale = batch["crop"][:, 2].numpy() / codec.input_size[0]
        error = np.abs(poses.keypoints - people.keypoints[rows]).max(-1) / scale[:, None]
        assert seen.any()
        assert error[seen].max() <= 3.1
        assert (poses.image_ids == people.images.ids[people.image_index[rows]]).all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_decoding_on_a_gpu_that_is_not_there_is_refused(tiny_config):
    task = build_task(load_config(tiny_config, ["TEST.DECODE=cuda"]))
    with pytest.raises(ConfigError, match=r"TEST\.DECODE cuda: there is no GPU .* set TEST"):
        task.build_test_loader()


def test_how_pictures_are_decoded_follows_the_keys(tiny_config):
    for train, test in (("full", "reduced"), ("reduced", "full")):
        keys = [f"TRAIN.DECODE={train}", f"TEST.DECODE={test}", "WORKERS=0"]
        task = build_task(load_config(tiny_config, keys))
        assert task.build_train_dataset().reduced == (train == "reduced")
        assert task.build_held_out_dataset().reduced == (test == "reduced")
        assert task._test_crops.reduced == (test == "reduced")


def test_describe_says_what_scores_depend_on(task):
    described = task.describe()
    assert described["joints"][0] == "nose"
    assert described["boxes"] == "annotated"
    assert described["codec"] == "gaussian"


def test_select_data_trains_on_fewer(tiny_config):
    everyone = build_task(load_config(tiny_config)).build_train_dataset()
    task = build_task(load_config(tiny_config, ["DATASET.SELECT_DATA=true"]))
    assert 0 < len(task.build_train_dataset()) < len(everyone)


def test_a_train_step_never_waits_for_the_device(tiny_config, monkeypatch):
    """Tensors of the meta device hold no values: whatever reads one on the host raises."""
    task = build_task(load_config(tiny_config))
    with torch.device("meta"):
        model = task.build_model()
        batch = {
            "image": torch.empty(5, 96, 64, 3, dtype=torch.uint8),
            "keypoints": torch.empty(5, 17, 2),
            "visible": torch.empty(5, 17),
        }
    task.loss_step(model, batch)  # makes the constants of this width
    monkeypatch.setattr(torch, "tensor", lambda *_, **__: pytest.fail("a copy from the host"))
    monkeypatch.setattr(torch, "from_numpy", lambda *_: pytest.fail("a copy from the host"))
    losses = task.loss_step(model, batch)
    losses["heatmap"].backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    with pytest.raises(RuntimeError, match="meta"):
        losses["heatmap"].item()


@pytest.mark.parametrize("name", ["gaussian", "dark", "udp"])
def test_sending_a_test_batch_never_waits_for_the_device(tiny_config, monkeypatch, name):
    words = [f"MODEL.TARGET_TYPE={name}", "TEST.FLIP_TEST=true", "TEST.FLIP_ALIGN=exact"]
    task = build_task(load_config(tiny_config, words))
    with torch.device("meta"):
        model = task.build_model().eval()
        images, crops = torch.empty(5, 96, 64, 3, dtype=torch.uint8), torch.empty(5, 4)
    batch = {"image": images, "crop": crops, "index": np.arange(5)}
    task.predict_step(model, batch)  # makes the constants of this width
    monkeypatch.setattr(torch, "tensor", lambda *_, **__: pytest.fail("a copy from the host"))
    monkeypatch.setattr(torch, "from_numpy", lambda *_: pytest.fail("a copy from the host"))
    people = task.predict_step(model, batch)
    with pytest.raises((TypeError, NotImplementedError), match="meta"):  # by release of PyTorch
        people()
