"""``DATASET.PHOTOMETRIC``: changes of colour and sharpness, each with a probability and a range."""

from __future__ import annotations

from yacs.config import CfgNode

# PRESET -> the probabilities of its operations; the others have none. ``off`` switches everything
# off, ``own`` leaves it to the PROB of each.
PRESETS: dict[str, dict[str, float]] = {
    "off": {},
    "own": {},
    "light": {
        **dict.fromkeys(("HUE", "SATURATION", "BRIGHTNESS", "CONTRAST"), 0.3),
        **dict.fromkeys(("GREY", "LOW_RESOLUTION", "BLUR", "NOISE", "JPEG"), 0.05),
    },
    "strong": {
        **dict.fromkeys(("HUE", "SATURATION", "BRIGHTNESS", "CONTRAST"), 0.5),
        **dict.fromkeys(("LOW_RESOLUTION", "BLUR", "NOISE", "JPEG"), 0.2),
        **{"GREY": 0.1, "DROPOUT": 0.3},
    },
    "rtmpose": {
        **dict.fromkeys(("HUE", "SATURATION_SHIFT", "VALUE_SHIFT"), 0.5),
        **{"BOX_BLUR": 0.1, "MEDIAN_BLUR": 0.1, "DROPOUT": 1.0},
    },
}

RANGES: dict[str, list[float]] = {
    "HUE": [-18.0, 18.0],  # degrees
    "SATURATION": [0.5, 1.5],  # factor
    "SATURATION_SHIFT": [-30.0, 30.0],  # of 255
    "VALUE_SHIFT": [-30.0, 30.0],  # of 255
    "BRIGHTNESS": [-32.0, 32.0],  # levels
    "CONTRAST": [0.5, 1.5],  # factor on the distance from middle grey
    "GREY": [1.0, 1.0],  # share of a grey picture that is mixed in
    "LOW_RESOLUTION": [0.25, 0.75],  # size of the picture in between
    "BLUR": [0.5, 2.0],  # deviation of a Gaussian, pixels of the crop
    "BOX_BLUR": [3.0, 7.0],  # odd sides of a box, pixels
    "MEDIAN_BLUR": [3.0, 7.0],  # odd sides of a window, pixels
    "NOISE": [2.0, 15.0],  # deviation, levels
    "JPEG": [20.0, 80.0],  # quality
    "DROPOUT": [0.2, 0.4],  # sides of a black rectangle, shares of the crop's
}
# Ranges of a preset that are not those above; a RANGE of one's own wins.
PRESET_RANGES: dict[str, dict[str, list[float]]] = {"rtmpose": {"HUE": [-10.0, 10.0]}}
ODD = ("BOX_BLUR", "MEDIAN_BLUR")


def photometric_node() -> CfgNode:
    """Return the node with its defaults: off."""
    operations = {
        name: {
            "PROB": -1.0,  # of the operation; -1 = what the preset says
            "RANGE": list(ends),  # [least, most] that is drawn
        }
        for name, ends in RANGES.items()
    }
    return CfgNode(
        {
            "PRESET": "off",  # which operations are done: off | own (each one's PROB) | a recipe
            **operations,
        }
    )


def check_ranges(cfg: CfgNode) -> str | None:
    """Return a complaint about the first range that is none."""
    node = cfg.DATASET.PHOTOMETRIC
    for name in RANGES:
        path, ends = f"DATASET.PHOTOMETRIC.{name}", list(node[name].RANGE)
        if len(ends) != 2 or ends[0] > ends[1]:
            return f"{path}.RANGE must be [least, most], got {ends}."
        if name in ODD and any(side % 2 != 1 for side in ends):
            return f"{path}.RANGE must be two odd sides in pixels, got {ends}."
    return None


def check_switch(cfg: CfgNode) -> str | None:
    """Return a complaint about a probability that has no effect, as everything is off."""
    node = cfg.DATASET.PHOTOMETRIC
    for name in RANGES:
        if node.PRESET == "off" and node[name].PROB > 0:
            return (
                f"DATASET.PHOTOMETRIC.{name}.PROB has no effect while PRESET is off; set PRESET to "
                "own or another."
            )
    return None


def operations(node: CfgNode) -> dict[str, tuple[float, float, float]]:
    """Return ``probability, least, most`` of each operation that may be done, by its name."""
    preset = PRESETS[node.PRESET]
    chosen: dict[str, tuple[float, float, float]] = {}
    for name in RANGES:
        own = node[name].PROB
        probability = preset.get(name, 0.0) if own < 0 else own
        if node.PRESET != "off" and probability > 0:
            ends = list(node[name].RANGE)
            if ends == RANGES[name]:
                ends = PRESET_RANGES.get(node.PRESET, {}).get(name, ends)
            chosen[name] = (probability, ends[0], ends[1])
    return chosen
