"""Losses of the heatmap tasks.

``heatmap``  masked mean squared error, hard-keypoint mining
``associative``  masked heatmaps, push and pull of tags
"""

from lib.losses.heatmap import HeatmapLoss

__all__ = ["HeatmapLoss"]
