"""What a run of the toy task leaves, read back."""

import json

import torch


def lines(folder, kind):
    rows = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == kind]


def read(folder, name="checkpoint.pth"):
    return torch.load(folder / name, weights_only=True)
