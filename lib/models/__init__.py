"""Networks: ``build_model``, ``load_weights``; parts live in ``backbones``, ``necks``, ``heads``.

``registry`` holds the contracts between parts, ``recipes`` what each ``MODEL.NAME`` stands for.
"""

from typing import TYPE_CHECKING

from lib.utils.lazy import lazy_names

if TYPE_CHECKING:
    from lib.models.builder import build_model, trunk_pixels
    from lib.models.checkpoint import LoadReport, load_pretrained, load_weights, to_official
    from lib.models.compiled import compile_for_prediction
    from lib.models.cost import complexity
    from lib.models.folding import fold_batch_norm
    from lib.models.weights_file import read_checkpoint

__all__ = [
    "LoadReport",
    "build_model",
    "compile_for_prediction",
    "complexity",
    "fold_batch_norm",
    "load_pretrained",
    "load_weights",
    "read_checkpoint",
    "to_official",
    "trunk_pixels",
]
__getattr__ = lazy_names(
    __name__,
    {
        "LoadReport": "lib.models.checkpoint",
        "build_model": "lib.models.builder",
        "compile_for_prediction": "lib.models.compiled",
        "complexity": "lib.models.cost",
        "fold_batch_norm": "lib.models.folding",
        "load_pretrained": "lib.models.checkpoint",
        "load_weights": "lib.models.checkpoint",
        "read_checkpoint": "lib.models.weights_file",
        "to_official": "lib.models.checkpoint",
        "trunk_pixels": "lib.models.builder",
    },
)
