"""Models as files that need no code of ours: written with a card, checked, and run again.

``graph``          what a file is to compute
``network``        what all files are to a task; ``opening`` a file -> one of them
``onnx_network``   ONNX, by onnxruntime     ``torch_network``  TorchScript, ``torch.export``
``openvino_network``  OpenVINO's own files and ONNX, by OpenVINO
``exporters``      one run of a network, written down by torch
``writer``         networks -> files, compared with the network before they are kept
``quantise``       ONNX in float32 -> ONNX in int8
"""

from lib.export.network import ExportedNetwork, FileNetwork
from lib.export.opening import is_exported, open_network

__all__ = ["ExportedNetwork", "FileNetwork", "is_exported", "open_network"]
