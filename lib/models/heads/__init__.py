"""List of maps -> heatmaps.

``heatmap`` (one convolution), ``deconv`` (transposed convolutions), ``higher`` (heatmaps and tags
at several resolutions), ``subpixel`` (pixel shuffle), ``fahead`` (final attention, final sum).
"""

from lib.models.heads import deconv, fahead, heatmap, higher, subpixel

__all__ = ["deconv", "fahead", "heatmap", "higher", "subpixel"]
