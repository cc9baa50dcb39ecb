"""Time HRFormer-S with our window attention, with a loop over windows, and HRNet-W32 beside it.

``PYTHONPATH=.:tests python tests/scripts/attention_speed.py``: processor time on one thread of a
forward pass and of a training step, in turns; the fastest of each counts.
"""

import argparse
import time
from pathlib import Path
from unittest import mock

import torch
from textbook import window_attention as textbook

from lib.config import load_config
from lib.models import build_model, complexity
from lib.models.layers.transformer import (
    WindowAttention,
    WindowSelfAttention,
    relative_position_index,
)

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments" / "coco"
FILES = {
    "HRFormer-S": "hrformer/s_256x192_adamw_lr5e-4.yaml",
    "HRNet-W32": "hrnet/w32_256x192_adam_lr1e-3.yaml",
}
LOOP = mock.patch.multiple(
    WindowAttention, forward=lambda self, x: textbook.window_attention(x, self)
)
UNFUSED = mock.patch.multiple(WindowSelfAttention, forward=textbook.plain_attention)
# One bias at a time, as the oracle adds them, would be no opponent.
textbook.bias_of_head = lambda table, side: table[relative_position_index(side)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = {name: build(file) for name, file in FILES.items()}
    images = torch.randn(args.batch, 3, 256, 192).to(memory_format=torch.channels_last)
    forms = {
        "HRFormer-S": (networks["HRFormer-S"], None),
        "HRFormer-S, unfused": (networks["HRFormer-S"], UNFUSED),
        "HRFormer-S, loop": (networks["HRFormer-S"], LOOP),
        "HRNet-W32": (networks["HRNet-W32"], None),
    }
    best = {}
    for _ in range(args.rounds):
        for name, (network, patch) in forms.items():
            for kind, work in (("forward", forward), ("step", step)):
                seconds = timed(work, network, images, patch)
                best[name, kind] = min(seconds, best.get((name, kind), seconds))
    for name, (network, _) in forms.items():
        macs = complexity(network, (256, 192)).macs * args.batch
        cells = [
            f"{kind} {best[name, kind]:.2f} s ({best[name, kind] / best['HRFormer-S', kind]:.2f}x, "
            f"{macs / best[name, kind] / 1e9:.1f} GMAC/s)"
            for kind in ("forward", "step")
        ]
        print(f"{name:20} " + "  ".join(cells), flush=True)


def build(file):
    cfg = load_config(EXPERIMENTS / file, ["MODEL.PRETRAINED=''"])
    return build_model(cfg).to(memory_format=torch.channels_last)


def forward(network, images):
    network.eval()
    with torch.inference_mode():
        network(images)


def step(network, images):
    network.train()
    network.zero_grad()
    network(images).square().mean().backward()


def timed(work, network, images, patch):
    if patch:
        patch.start()
    start = time.process_time()
    work(network, images)
    seconds = time.process_time() - start
    if patch:
        patch.stop()
    return seconds


if __name__ == "__main__":
    main()
