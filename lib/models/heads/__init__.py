"""List of maps -> heatmaps: ``heatmap`` (one convolution), ``deconv`` (transposed convolutions)."""

from lib.models.heads import deconv, heatmap

__all__ = ["deconv", "heatmap"]
