"""One module per family of networks: schema of its ``MODEL.EXTRA``, builder, checkpoint key map.

Importing this package fills ``lib.models.registry.RECIPES``. To add a family, write a module here
that registers a ``Recipe`` and import it below.
"""

from lib.models.recipes import (
    eeffpose,
    efenet,
    higher_hrnet,
    hrformer,
    hrnet,
    keypoint_rcnn,
    lpn,
    posenet,
    resnet,
    rtmpose,
    simcc,
    vitpose,
)
from lib.models.registry import RECIPES

__all__ = [
    "RECIPES",
    "eeffpose",
    "efenet",
    "higher_hrnet",
    "hrformer",
    "hrnet",
    "keypoint_rcnn",
    "lpn",
    "posenet",
    "resnet",
    "rtmpose",
    "simcc",
    "vitpose",
]
