"""Models as files that need no code of ours: written with a card, checked, and run again."""

from lib.export.onnx_network import OnnxNetwork, is_onnx

__all__ = ["OnnxNetwork", "is_onnx"]
