"""An address -> a file in the cache: complete, verified, and fetched once.

Own, on urllib: torch.hub and pooch verify hashes, but neither goes on with a broken download nor
keeps two processes apart. What arrives is written to ``<name>.part`` and gets its name when length
and hash are right; a lock lets one process fetch while the others wait. Proxies are urllib's
(``https_proxy``, ``no_proxy``).

Environment: ``EFEPOSE_HOME`` (cache in ``<it>/weights``; else ``TORCH_HOME/efepose``),
``EFEPOSE_ZOO_MIRROR`` (address or folder that holds the files under their names in the cache),
``EFEPOSE_OFFLINE`` (1: nothing is fetched).
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import logging
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from lib.utils.errors import WeightsError
from lib.utils.files import at_home, fault_in
from lib.zoo.answers import BrokenError, first_byte, quoted, refuse_page, words

logger = logging.getLogger(__name__)

HOME, MIRROR, OFFLINE = "EFEPOSE_HOME", "EFEPOSE_ZOO_MIRROR", "EFEPOSE_OFFLINE"
TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 5  # that bring nothing new, in a row
PAUSE = 1.0  # seconds before the next of them, doubling
CHUNK = 1 << 18
BROKEN = (OSError, http.client.HTTPException)  # of a connection; also URLError, timeouts


def cache_folder() -> Path:
    """Return the folder of fetched files; it need not exist."""
    home = os.environ.get(HOME)
    return at_home(home) / "weights" if home else _torch_home() / "efepose"


def is_offline() -> bool:
    """Return whether nothing may be fetched."""
    return os.environ.get(OFFLINE, "").lower() not in ("", "0", "false", "no", "off")


def cached(file: str, sha256: str = "") -> Path | None:
    """Return the complete file if it is there: in the cache, or where torch.hub keeps its own.

    Files of torch.hub's are checked against ``sha256``; those of the cache were when they came.
    """
    own = cache_folder() / file
    if own.is_file():
        return own
    other = _torch_home() / "hub" / "checkpoints" / file
    return other if sha256 and other.is_file() and has_hash(other, sha256) else None


def fetch(url: str, file: str, sha256: str = "") -> Path:
    """Return the local file of an address, fetching it if it is not there.

    Args:
        url: ``http(s)://`` or ``file://``.
        file: its name in the cache.
        sha256: first digits of its hash; ``''`` checks the length only.

    Raises:
        WeightsError: it is not there and cannot be had; the message says why, and where a file
            fetched by hand goes.
    """
    if url.startswith("file:"):  # on this machine: used where it lies
        return _local(url, sha256)
    there = cached(file, sha256)
    if there is not None:
        return there
    target = cache_folder() / file
    address = mirrored(url, file)
    if address.startswith("file:") and not local_file(address).is_file():
        raise WeightsError(f"{MIRROR}: there is no {local_file(address)}. {_by_hand(url, target)}")
    if is_offline() and not address.startswith("file:"):
        raise WeightsError(
            f"{file} is not in the cache, and this is offline. {_by_hand(url, target)}"
        )
    with _one_process(target):
        if not target.is_file():
            _download(address, target, sha256, _by_hand(url, target))
    return target


def mirrored(url: str, file: str) -> str:
    """Return where to fetch ``url``: below the mirror, if there is one."""
    mirror = os.environ.get(MIRROR, "")
    if not mirror:
        return url
    if "://" not in mirror:
        return (at_home(mirror).absolute() / file).as_uri()
    return f"{mirror.rstrip('/')}/{urllib.parse.quote(file)}"


def has_hash(path: Path, sha256: str) -> bool:
    """Return whether the hash of a file begins with ``sha256``."""
    return file_hash(path).startswith(sha256)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def local_file(url: str) -> Path:
    """Return the path of a ``file:`` address."""
    return Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))


def _local(url: str, sha256: str) -> Path:
    path = local_file(url)
    if not path.is_file():
        raise WeightsError(f"No weight file {path}{fault_in(path)}: put it back, or name another.")
    if sha256 and not has_hash(path, sha256):
        raise WeightsError(
            f"{path} has another SHA-256 than {sha256}, so it is another file or damaged: put the "
            "published one back (git checkout, git lfs pull), or give the path of yours by its own "
            "name."
        )
    return path


def _torch_home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return at_home(os.environ.get("TORCH_HOME") or f"{cache}/torch")


def _by_hand(url: str, target: Path) -> str:
    return f"Fetch {url} by hand and put it there as {target}."


@contextmanager
def _one_process(target: Path) -> Iterator[None]:
    """Keep other processes from fetching the same file.

    Raises:
        WeightsError: the cache cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{target}.lock")
        try:
            lock.acquire(timeout=1)
        except Timeout:
            logger.info("another process is fetching %s: waiting for it", target.name)
            lock.acquire()
    except OSError as error:
        raise WeightsError(
            f"Cannot write to the cache {target.parent} ({error.strerror}); set {HOME} "
            "to a folder of your own."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _download(address: str, target: Path, sha256: str, by_hand: str) -> None:
    """Fill the ``.part`` of ``target``, going on where it ends; give it its name if it is right."""
    part = target.with_name(target.name + ".part")
    logger.info("fetching %s", address)
    try:
        _fill(address, part)
        if sha256 and not has_hash(part, sha256):
            digest = file_hash(part)
            part.unlink()
            raise WeightsError(
                f"{address} is not the file that was published: its SHA-256 begins with "
                f"{digest[: max(8, len(sha256))]}, {sha256} was wanted. It was deleted; somebody "
                "changed the file, or something between here and there did."
            )
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except urllib.error.HTTPError as error:
        raise WeightsError(f"{address} answers {error.code} ({error.reason}). {by_hand}") from None
    except BrokenError as error:
        kept = "The same command goes on from there. " if _size(part) else ""
        raise WeightsError(f"{address}: {error}. {kept}{by_hand}") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsError(f"{target} cannot be written: {error.strerror or error}.") from None
        raise WeightsError(
            f"No space is left for {target}: free some, or set {HOME} to a larger disk; the same "
            "command goes on from there."
        ) from None


def _fill(address: str, part: Path) -> None:
    """Repeat connections until all bytes are there, or none brings anything new any more."""
    fruitless = 0
    while True:
        before = _size(part)
        try:
            _receive(address, part)
            return
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:
                if error.headers.get("Content-Range") == f"bytes */{before}":
                    return  # all of it had arrived
                part.unlink()  # longer than the file: of another version
            elif error.code < 500 and error.code not in (408, 429):
                raise
            reason: Exception = BrokenError(f"it answers {error.code} ({error.reason})")
        except BrokenError as error:
            reason = error
        fruitless = 0 if _size(part) > before else fruitless + 1
        if fruitless >= ATTEMPTS:
            raise reason
        time.sleep(PAUSE * 2 ** max(0, fruitless - 1) if fruitless else 0)


def _receive(address: str, part: Path) -> None:
    """Take what one connection gives.

    Raises:
        BrokenError: there is no connection, or it ended before the last byte.
        HTTPError: the server refuses.
        OSError: the file cannot be written.
        WeightsError: the address is none.
    """
    start = _size(part)
    headers = {"User-Agent": "efepose", "Accept-Encoding": "identity"}
    mark = part.with_name(part.name + ".etag")  # of the version that the part belongs to
    if start:
        headers["Range"] = f"bytes={start}-"
        if mark.is_file():
            headers["If-Range"] = mark.read_text(encoding="utf-8")
    try:
        request = urllib.request.Request(quoted(address), headers=headers)
        # Not urlopen: that keeps the proxies of its first call.
        response = urllib.request.build_opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError:
        raise
    except (http.client.InvalidURL, ValueError) as error:  # also of redirections
        raise WeightsError(f"{address} is not an address, or leads to none: {error}.") from None
    except BROKEN as error:
        raise BrokenError(f"there is no connection ({words(error)})") from None
    with response:
        refuse_page(response, address)
        start = first_byte(response, start)
        etag = response.headers.get("ETag")
        if etag and not etag.startswith("W/"):
            mark.write_text(etag, encoding="utf-8")
        _copy(response, part, start)
    mark.unlink(missing_ok=True)


def _copy(response: Any, part: Path, start: int) -> None:
    """Write a response's body into ``part`` from byte ``start``."""
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None  # some send nonsense
    if total is not None and shutil.disk_usage(part.parent).free < total - start:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part))
    name = part.name.removesuffix(".part")
    bar = tqdm(
        total=total, initial=start, unit="B", unit_scale=True, desc=name, disable=None, leave=False
    )
    with part.open("r+b" if start else "wb") as file, bar:
        file.seek(start)
        if _size(part) > start:
            file.truncate()
        while True:
            try:
                block = response.read(CHUNK)
            except BROKEN as error:
                raise BrokenError(_so_far(file.tell(), total, words(error))) from None
            if not block:
                break
            file.write(block)
            bar.update(len(block))
        arrived = file.tell()
    if not arrived:
        raise BrokenError("it sends an empty file")
    if total is not None and arrived != total:
        raise BrokenError(_so_far(arrived, total, "it ended early"))


def _so_far(arrived: int, total: int | None, why: str) -> str:
    of = f" of {total / 1e6:.1f}" if total else ""
    return f"the connection broke after {arrived / 1e6:.1f}{of} MB ({why})"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
