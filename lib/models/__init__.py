"""Networks: ``build_model``, ``load_weights``; parts live in ``backbones``, ``necks``, ``heads``.

``registry`` holds the contracts between parts, ``recipes`` what each ``MODEL.NAME`` stands for.
"""

from lib.models.builder import build_model
from lib.models.checkpoint import LoadReport, load_pretrained, load_weights, to_official
from lib.models.complexity import complexity
from lib.models.folding import fold_batch_norm
from lib.models.weights_file import read_checkpoint

__all__ = [
    "LoadReport",
    "build_model",
    "complexity",
    "fold_batch_norm",
    "load_pretrained",
    "load_weights",
    "read_checkpoint",
    "to_official",
]
