"""Losses: ``heatmap`` (masked mean squared error, hard-keypoint mining)."""

from lib.losses.heatmap import HeatmapLoss

__all__ = ["HeatmapLoss"]
