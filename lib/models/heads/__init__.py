"""List of maps -> heatmaps.

``heatmap`` (one convolution), ``deconv`` (transposed convolutions), ``higher`` (heatmaps and tags
at several resolutions), ``subpixel`` (pixel shuffle).
"""

from lib.models.heads import deconv, heatmap, higher, subpixel

__all__ = ["deconv", "heatmap", "higher", "subpixel"]
