"""Image -> list of maps, fine to coarse.

``resnet``, ``lpn`` (its light form); ``multires`` (the skeleton of the HR networks), ``hrnet`` and
``hrformer`` on it; ``davit`` (also fused with HRNet); ``eeffnet`` (EfficientNet and EEffNet);
``cspnext`` (of RTMPose); ``vit`` (plain transformer); ``timm_trunk`` (any network of timm;
``timm_keys``: its files).
"""

from lib.models.backbones import (
    cspnext,
    davit,
    eeffnet,
    hrformer,
    hrnet,
    lpn,
    resnet,
    timm_trunk,
    vit,
)

__all__ = ["cspnext", "davit", "eeffnet", "hrformer", "hrnet", "lpn", "resnet", "timm_trunk", "vit"]
