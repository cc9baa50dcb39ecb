"""Keypoint R-CNN on torchvision's parts.

``network``    the whole model and the checks of its targets
``trunk``      ResNet with feature pyramid
``transform``  normalise, resize, batch
``rpn``        proposals
``pooler``     RoIAlign with fixed strides and zero padding
``roi_heads``  box branch and keypoint branch
``losses``     the five losses
"""
