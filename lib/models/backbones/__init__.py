"""Image -> list of maps, fine to coarse.

``resnet``, ``lpn`` (its light form); ``multires`` (the skeleton of the HR networks), ``hrnet`` and
``hrformer`` on it; ``davit`` (also fused with HRNet); ``eeffnet`` (EfficientNet and EEffNet).
"""

from lib.models.backbones import davit, eeffnet, hrformer, hrnet, lpn, resnet

__all__ = ["davit", "eeffnet", "hrformer", "hrnet", "lpn", "resnet"]
