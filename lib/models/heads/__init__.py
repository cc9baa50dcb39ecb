"""List of maps -> heatmaps.

``heatmap`` (one convolution), ``deconv`` (transposed convolutions), ``higher`` (heatmaps and tags
at several resolutions).
"""

from lib.models.heads import deconv, heatmap, higher

__all__ = ["deconv", "heatmap", "higher"]
