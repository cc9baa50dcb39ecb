import pytest

from lib.config import ConfigError, load_config
from lib.config.loader import save_config


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "TRAIN: {END_EPOCH: 21, LR_STEP: [17, 20], WARMUP_ITERS: 500, EVAL_PERIOD: 3, "
        "FREEZE: [backbone], FREEZE_UNTIL: 2}\n"
        "DATASET: {STAGES: [{EPOCH: 18, SCALE_FACTOR: 0.1}, {EPOCH: 19, FLIP: 0.0}]}\n"
    )
    return lambda *overrides: load_config(path, overrides)


def test_points_in_time_are_multiplied_and_nothing_else(load):
    cfg = load("TRAIN.STRETCH=1.5")
    train = cfg.TRAIN
    assert (train.BEGIN_EPOCH, train.END_EPOCH, train.MAX_ITER) == (0, 32, 0)
    assert list(train.LR_STEP) == [26, 30]
    assert train.FREEZE_UNTIL == 3
    assert [entry["EPOCH"] for entry in cfg.DATASET.STAGES] == [27, 29]
    assert cfg.DATASET.STAGES[0]["SCALE_FACTOR"] == 0.1
    assert (train.WARMUP_ITERS, train.EVAL_PERIOD, train.LR) == (500, 3, 0.001)
    assert train.STRETCH == 1.0


def test_iterations_are_stretched_too(load):
    train = load("TRAIN.STRETCH=2", "TRAIN.MAX_ITER=90", "TRAIN.LR_STEP=[60,80]").TRAIN
    assert (train.MAX_ITER, list(train.LR_STEP)) == (180, [120, 160])


def test_the_resolved_file_is_not_stretched_again(load, tmp_path):
    cfg = load("TRAIN.STRETCH=3")
    save_config(cfg, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == cfg


def test_a_short_run_has_at_least_one_epoch_and_keeps_its_stages_apart(load):
    cfg = load("TRAIN.STRETCH=0.1", "TRAIN.LR_STEP=[17]", "DATASET.STAGES=[]")
    assert (cfg.TRAIN.END_EPOCH, cfg.TRAIN.FREEZE_UNTIL) == (2, 1)
    with pytest.raises(ConfigError, match=r"TRAIN\.STRETCH 0\.1 makes \[2, 2\] of TRAIN\.LR_STEP"):
        load("TRAIN.STRETCH=0.1")
    with pytest.raises(ConfigError, match=r"makes \[1, 1\] of DATASET\.STAGES \[18, 19\]"):
        load("TRAIN.STRETCH=0.05", "TRAIN.LR_STEP=[]")


@pytest.mark.parametrize("wrong", ["0", "-2"])
def test_the_factor_is_above_nought(load, wrong):
    with pytest.raises(ConfigError, match=r"TRAIN\.STRETCH must be above 0, got"):
        load(f"TRAIN.STRETCH={wrong}")


def test_stages_of_the_sets_of_a_mix_are_stretched_too(tmp_path):
    path = tmp_path / "mix.yaml"
    path.write_text(
        "TRAIN: {END_EPOCH: 20, LR_STEP: []}\n"
        "DATASET:\n  MIX:\n"
        "    - {DATASET: coco, TRAIN_SET: a, STAGES: [{EPOCH: 4, FLIP: 0.0}, {EPOCH: 6}]}\n"
        "    - {DATASET: mpii, TRAIN_SET: b}\n"
    )
    cfg = load_config(path, ["TRAIN.STRETCH=1.5"])
    one, two = cfg.DATASET.MIX
    assert one["STAGES"] == [{"EPOCH": 6, "FLIP": 0.0}, {"EPOCH": 9}]
    assert "STAGES" not in two
    with pytest.raises(ConfigError, match=r"\[1, 1\] of DATASET\.MIX\.coco\.STAGES \[4, 6\]"):
        load_config(path, ["TRAIN.STRETCH=0.2"])
