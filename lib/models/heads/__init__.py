"""List of maps -> heatmaps, or what else a head says that it ``gives``.

``heatmap`` (one convolution), ``deconv`` (transposed convolutions), ``higher`` (heatmaps and tags
at several resolutions), ``subpixel`` (pixel shuffle), ``fahead`` (final attention, final sum),
``upsample`` (bilinear, then a convolution), ``simcc`` (a classification per axis), ``rtmcc`` (the
same, joints as tokens), ``presence`` (heatmaps, and whether a joint is there at all).
"""

from lib.models.heads import (
    deconv,
    fahead,
    heatmap,
    higher,
    presence,
    rtmcc,
    simcc,
    subpixel,
    upsample,
)

__all__ = [
    "deconv",
    "fahead",
    "heatmap",
    "higher",
    "presence",
    "rtmcc",
    "simcc",
    "subpixel",
    "upsample",
]
