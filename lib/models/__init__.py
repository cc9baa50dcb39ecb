"""Networks: ``build_model(cfg)``; parts live in ``backbones``, ``necks`` and ``heads``.

``registry`` holds the contracts between parts, ``recipes`` what each ``MODEL.NAME`` stands for.
"""

from lib.models.builder import build_model

__all__ = ["build_model"]
