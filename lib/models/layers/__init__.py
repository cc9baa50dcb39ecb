"""Blocks shared by several networks.

``blocks`` (residual blocks, conv + batch-norm, init), ``drop_path`` (stochastic depth),
``dual_attention`` (layers of DaViT).
"""
