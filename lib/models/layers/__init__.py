"""Blocks shared by several networks: ``blocks`` (residual blocks, conv + batch-norm, init)."""
