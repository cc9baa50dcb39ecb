"""The test split as if it were trained on, for its loss: nothing is drawn, nobody is left out."""

from __future__ import annotations

from typing import Any

from yacs.config import CfgNode

from lib.config.photometric import photometric_node

# Keys of DATASET that draw -> the value that draws nothing.
STILL: dict[str, Any] = {
    **dict.fromkeys(("FLIP", "SCALE_FACTOR", "ROT_FACTOR", "PROB_HALF_BODY", "SHIFT_FACTOR"), 0.0),
    **dict.fromkeys(("CUTOUT", "SELECT_DATA"), False),
    **{"MAX_ROTATION": 0.0, "MIN_SCALE": 1.0, "MAX_SCALE": 1.0, "MAX_TRANSLATE": 0},
}
_ALL_ONCE = {"WEIGHT": 0.0}
_LEFT_OUT = ("PHOTOMETRIC", "STAGES")  # of an entry of a mix


def held_out_config(cfg: CfgNode) -> CfgNode:
    """Return ``cfg`` with the test split, or those of a mix, in the place of the training split."""
    held = cfg.clone()
    held.defrost()
    node = held.DATASET
    node.update(_swapped(node))
    node.update(STILL)
    node.STAGES = []
    held.TRAIN.DECODE = "reduced" if held.TEST.DECODE == "reduced" else "full"
    node.PHOTOMETRIC = photometric_node()
    entries = [{**entry, **_swapped(entry), **STILL, **_ALL_ONCE} for entry in node.MIX]
    node.MIX = [
        {key: value for key, value in entry.items() if key not in _LEFT_OUT}
        for entry in entries
        if entry["TRAIN_SET"] or entry["ANNOTATION"]
    ]
    held.freeze()
    return held


def _swapped(node: dict[str, Any]) -> dict[str, Any]:
    """Return where the training split is to be looked for: where the test split is."""
    return {
        "DATASET": node.get("DATASET_TEST") or node.get("DATASET", ""),
        "TRAIN_SET": node.get("TEST_SET", ""),
        "ANNOTATION": node.get("ANNOTATION_TEST", ""),
        "IMAGES": node.get("IMAGES_TEST", ""),
        "BOX_FILE": "",
    }
