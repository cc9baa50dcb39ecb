"""The model card: what one must know to use a model file rightly, kept inside the file.

ONNX files keep it as metadata, one JSON text per key, TorchScript files as an extra file. The keys
are those of ``Task.describe`` and, beside them, ``name``, ``input_size`` and ``heatmap_size``
(``[width, height]``), ``mean`` and ``std`` (of pixels in [0, 1], in the order the network wants its
channels), ``version`` of this package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

CARD_FILE = "card.json"  # its name inside a TorchScript file


def pack_card(card: Mapping[str, Any]) -> dict[str, str]:
    """Return the card as texts by key, as ONNX metadata wants it."""
    return {key: json.dumps(value) for key, value in card.items()}


def unpack_card(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the card in metadata; texts that are not JSON (other exporters') stay texts."""
    return {key: _value(text) for key, text in texts.items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
