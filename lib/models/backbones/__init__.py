"""Image -> list of maps, fine to coarse.

``resnet``; ``multires`` (the skeleton of the HR networks), ``hrnet`` and ``hrformer`` on it;
``davit`` (also fused with HRNet).
"""

from lib.models.backbones import davit, hrformer, hrnet, resnet

__all__ = ["davit", "hrformer", "hrnet", "resnet"]
