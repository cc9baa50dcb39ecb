"""Write the exact versions of this environment as pip's constraints: ``make constraints``.

Torch and torchvision follow the platform, with what they bring for it (CUDA, Triton). Packages
leave old Pythons behind, so an older one than this is not held to the set.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

PLATFORM = re.compile(r"torch|torchvision|(pytorch-)?triton.*|nvidia-.*|cuda-.*")
TOOLS = {"pip", "setuptools", "efepose"}


def constraints() -> list[str]:
    """Return a line per package."""
    pins = {
        re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(): one.version
        for one in metadata.distributions()
    }
    python = f'python_version >= "{sys.version_info.major}.{sys.version_info.minor}"'
    return [
        f"{name}=={version} ; {python}"
        for name, version in sorted(pins.items())
        if not PLATFORM.fullmatch(name) and name not in TOOLS
    ]


if __name__ == "__main__":
    about = "# The set with which the tests last passed; written by `make constraints`."
    Path(sys.argv[1]).write_text("\n".join([about, *constraints()]) + "\n")
