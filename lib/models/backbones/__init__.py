"""Image -> list of maps, fine to coarse: ``resnet``, ``multires`` (the HR skeleton), ``hrnet``."""

from lib.models.backbones import hrnet, resnet

__all__ = ["hrnet", "resnet"]
