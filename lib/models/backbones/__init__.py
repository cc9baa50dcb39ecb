"""Image -> list of maps, fine to coarse.

``resnet``, ``multires`` (the HR skeleton), ``hrnet``, ``davit`` (also fused with HRNet).
"""

from lib.models.backbones import davit, hrnet, resnet

__all__ = ["davit", "hrnet", "resnet"]
