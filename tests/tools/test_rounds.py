"""Training in rounds, as README has it: each round starts from the best weights of the last."""

import json

import torch
import yaml
from tool_loader import load_script

train = load_script("tools/train.py")


def learned(file):
    """Return what an optimiser changes: not the statistics of batch-norm."""
    state = torch.load(file, weights_only=True)["state_dict"]
    return {k: v for k, v in state.items() if not k.endswith(("_mean", "_var", "_tracked"))}


def test_second_round_starts_from_the_best_weights_with_a_schedule_of_its_own(
    tiny_config, tmp_path, caplog
):
    content = yaml.safe_load(tiny_config.read_text())
    content["MODEL"].update(NAME="lpn", EXTRA={"NUM_LAYERS": 18, "GROUP_WIDTH": 2})
    content["TEST"]["SOFT_ARGMAX"] = True
    tiny_config.write_text(yaml.safe_dump(content))
    words = ["--cfg", str(tiny_config), "TRAIN.END_EPOCH=1", "TRAIN.LR_STEP=[]"]
    train.main(words)
    best = tmp_path / "output/coco/lpn/tiny/model_best.pth"
    before = best.read_bytes()
    rounds = tmp_path / "output/round1"
    caplog.clear()
    # At so small a rate the weights at the end are those of the start.
    train.main([*words, "OUTPUT_DIR", str(rounds), "MODEL.PRETRAINED", str(best), "TRAIN.LR=1e-15"])
    assert "(100% of the parameters)" in caplog.text
    folder = rounds / "coco/lpn/tiny"
    first, second = learned(best), learned(folder / "final_state.pth")
    assert first.keys() == second.keys()
    assert all(torch.allclose(first[key], second[key], rtol=0, atol=1e-9) for key in first)
    assert best.read_bytes() == before
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert (rows[0]["kind"], rows[0]["epoch"]) == ("train", 0)
    assert rows[0]["lr"] == 1e-15
