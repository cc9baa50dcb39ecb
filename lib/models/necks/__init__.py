"""List of maps -> list of maps: ``efem`` (sub-pixel upsampling, coarse to fine)."""

from lib.models.necks import efem

__all__ = ["efem"]
