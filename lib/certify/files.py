"""Hashes of the files, the code and the versions that a claim depends on."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lib
from lib.annotations.reading import read_annotations
from lib.certify.predicting import SplitPredictor
from lib.utils.images import read_bytes
from lib.zoo.fetch import file_hash

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "opencv-python", "onnxruntime")


def check_files(claim: dict[str, Any], predictor: SplitPredictor) -> tuple[list[str], list[str]]:
    """Return a sentence about each file that is another one than claimed, and about other code.

    Args:
        claim: content of its file.
        predictor: of the files that are here.
    """
    data = claim["data"]
    here = {
        "weight file": (claim["weights"], predictor.weights),
        "annotation file": (data["annotation"], predictor.source.annotation),
        "detector file": (data["boxes"], predictor.boxes),
    }
    faults = [
        f"the {kind} {path} is not the claimed one ({told['sha256'][:16] if told else 'none'})"
        for kind, (told, path) in here.items()
        if (told or {}).get("sha256") != (None if path is None else file_hash(path))
    ]
    notes = [
        f"{name} is {found}, at the claimant's {claim['versions'].get(name, 'none')}"
        for name, found in versions().items()
        if claim["versions"].get(name) != found
    ]
    if claim["code"] != code_hash():
        notes.append("the code of efepose is another one than the claimant's")
    return faults, notes


def check_pictures(claim: dict[str, Any], predictor: SplitPredictor, images: set[Any]) -> list[str]:
    """Return a sentence about each of these pictures that is not the claimed one."""
    told = claim["data"]["pictures"]
    return [
        f"the picture of image {name} is not the claimed one"
        for name, found in picture_hashes(predictor, images).items()
        if told.get(name) != found
    ]


def named_hash(path: Path) -> dict[str, str]:
    """Return where a file lies and its SHA-256."""
    return {"file": str(path), "sha256": file_hash(path)}


def picture_hashes(predictor: SplitPredictor, only: set[Any] | None = None) -> dict[str, str]:
    """Return the first 16 digits of the SHA-256 of each picture, by its id as text."""
    images = read_annotations(predictor.content, predictor.source.images).images
    return {
        str(images.label(n)): hashlib.sha256(read_bytes(images.path(n))).hexdigest()[:16]
        for n in range(len(images))
        if only is None or images.label(n) in only
    }


def code_hash() -> str:
    """Return a hash of all modules of this package."""
    digest, base = hashlib.sha256(), Path(lib.__file__).parent
    for file in sorted(base.rglob("*.py")):
        digest.update(file.relative_to(base).as_posix().encode())
        digest.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    found = {"efepose": lib.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
