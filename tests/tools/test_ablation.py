"""The ablation tool: what it asks for, what it prints; training itself is tested elsewhere."""

import json
from pathlib import Path

import pytest
from tool_loader import load_script

from lib.sweep.trials import Trained

ablation = load_script(Path(__file__).parents[2] / "tools" / "ablation.py")


@pytest.fixture
def calls(monkeypatch, tmp_path):
    seen = []

    def train(file, overrides):
        seen.append(("train", file, *overrides))
        return Trained(tmp_path, tmp_path / "final_state.pth")

    def score(file, overrides, weights):
        seed = next(int(word[5:]) for word in overrides if word.startswith("SEED="))
        key, _, value = overrides[-1].partition("=")
        gain = {"TEST.POST_PROCESS": 2.5, "TEST.REFINE": 5.0}[key]
        points = 10.0 if file == "a.yaml" else 20.0
        return (points + seed + (gain if value == "true" else seed / 2)) / 100

    monkeypatch.setattr(ablation, "train", train)
    monkeypatch.setattr(ablation, "score", score)
    monkeypatch.setattr(ablation, "setup_logging", lambda: None)
    return seen


def test_every_experiment_runs_with_every_seed(calls, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["--cfg", "a.yaml", "b.yaml", "--seeds", "1", "3", "--out", str(out)]
    rows = ablation.main([*words, "--set", "TRAIN.END_EPOCH=2"])
    assert [(call[1], call[3]) for call in calls] == [
        (file, f"SEED={seed}") for file in ("a.yaml", "b.yaml") for seed in (1, 3)
    ]
    assert {call[2] for call in calls} == {"TRAIN.END_EPOCH=2"}
    assert len({call[4] for call in calls}) == 2  # a folder per seed
    assert rows[0]["with"] == pytest.approx([13.5, 15.5])
    assert rows[0]["without"] == pytest.approx([11.5, 14.5])
    assert json.loads((out / "ablation.json").read_text()) == rows
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["experiment", "seeds", "with", "without", "reliance"]
    assert lines[1].split("  ")[-3:] == ["14.50 +- 1.41", "13.00 +- 2.12", "1.50 +- 0.71"]
    gain = "b minus a: +10.00, 95 % interval +10.00 to +10.00 (more than luck of the seeds)"
    assert lines[3:] == [gain]


def test_overrides_may_name_the_seed(calls, tmp_path):
    words = ["--cfg", "a.yaml", "--seeds", "1", "3", "--out", str(tmp_path)]
    ablation.main([*words, "--set", "MODEL.PRETRAINED=runs/seed{seed}/final_state.pth"])
    assert {call[2] for call in calls} == {
        f"MODEL.PRETRAINED=runs/seed{seed}/final_state.pth" for seed in (1, 3)
    }


def test_a_stopped_training_is_no_success(calls, tmp_path, capsys, monkeypatch):
    stopped = Trained(tmp_path, tmp_path / "final_state.pth", finished=False, signal=15)
    train = ablation.train
    monkeypatch.setattr(ablation, "train", lambda f, w: stopped if f == "b.yaml" else train(f, w))
    with pytest.raises(KeyboardInterrupt):
        ablation.main(["--cfg", "a.yaml", "b.yaml", "--out", str(tmp_path)])
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["a", "3"]
    assert len(json.loads((tmp_path / "ablation.json").read_text())) == 1


def test_what_an_experiment_gains_on_the_first():
    names = {"cfg": "x/a.yaml", "seeds": [3, 1], "with": [20.0, 10.0]}
    more = {"cfg": "x/b.yaml", "seeds": [1, 3], "with": [12.0, 21.0]}
    # gains of 2 and 1: 1.5, and 12.7062 (t of 0.975, one degree) times 0.7071 / 2 ** 0.5
    line = "b minus a: +1.50, 95 % interval -4.85 to +7.85 (may be luck)"
    assert ablation.gains([names, more]) == [line]
    alone = {"cfg": "x/c.yaml", "seeds": [1], "with": [7.0]}
    assert ablation.gains([names, alone]) == ["c minus a: -3.00; one seed says nothing of others"]


def test_another_key_can_be_switched(calls, tmp_path):
    words = ["--cfg", "a.yaml", "--seeds", "1", "--out", str(tmp_path), "--switch", "TEST.REFINE"]
    assert ablation.main(words)[0]["with"] == pytest.approx([16.0])
