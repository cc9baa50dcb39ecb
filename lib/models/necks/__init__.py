"""List of maps -> list of maps.

``efem`` (sub-pixel upsampling, coarse to fine), ``bifpn`` (EfficientDet), ``tfneck`` (EEffPose).
"""

from lib.models.necks import bifpn, efem, tfneck

__all__ = ["bifpn", "efem", "tfneck"]
