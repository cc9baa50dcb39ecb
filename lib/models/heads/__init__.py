"""List of maps -> heatmaps.

``heatmap`` (one convolution), ``deconv`` (transposed convolutions), ``higher`` (heatmaps and tags
at several resolutions), ``subpixel`` (pixel shuffle), ``fahead`` (final attention, final sum),
``upsample`` (bilinear, then a convolution).
"""

from lib.models.heads import deconv, fahead, heatmap, higher, subpixel, upsample

__all__ = ["deconv", "fahead", "heatmap", "higher", "subpixel", "upsample"]
