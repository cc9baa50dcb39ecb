"""List of maps -> heatmaps.

``heatmap`` (one convolution), ``deconv`` (transposed convolutions), ``higher`` (heatmaps and tags
at several resolutions), ``subpixel`` (pixel shuffle), ``fahead`` (final attention, final sum),
``upsample`` (bilinear, then a convolution), ``rtmcc`` (joints as tokens, one row of bins per axis).
"""

from lib.models.heads import deconv, fahead, heatmap, higher, rtmcc, subpixel, upsample

__all__ = ["deconv", "fahead", "heatmap", "higher", "rtmcc", "subpixel", "upsample"]
