"""Losses, below the codecs and tasks that use them.

``heatmap``  masked mean squared error, hard-keypoint mining
``associative``  masked heatmaps, push and pull of tags
``simcc``, ``integral``  of the codecs with these names
``registry``  losses of a user's own
"""
