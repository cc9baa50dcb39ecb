"""The Hugging Face hub: files from it, and a model of ours to it, by its own client and tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.utils.errors import ConfigError, WeightsError
from lib.zoo.card import read_card
from lib.zoo.fetch import is_offline
from lib.zoo.pack import pack

HUB_FILE = "model.safetensors"  # what a repository is expected to hold
PAGE = """---
license: {licence}
library_name: efepose
pipeline_tag: keypoint-detection
---
# {name}

{text}

```python
from lib.api import PoseEstimator

people = PoseEstimator.from_pretrained("hub:{repository}").predict(image, boxes)
```
"""


def fetch_from_hub(reference: str) -> Path:
    """Return the local copy of ``ORG/NAME`` or ``ORG/NAME/FILE``.

    Raises:
        ConfigError: the client is not installed.
        WeightsError: the file cannot be had.
    """
    parts = reference.strip("/").split("/", 2)
    if len(parts) < 2 or not all(parts):
        raise WeightsError(f"hub:{reference} must be hub:ORG/NAME or hub:ORG/NAME/FILE.")
    repository, file = "/".join(parts[:2]), parts[2] if len(parts) > 2 else HUB_FILE
    client = _client()
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(client.hf_hub_download(repository, file, local_files_only=is_offline()))
    except LocalEntryNotFoundError:
        reason = "it is not in the cache and cannot be reached"
    except Exception as error:  # the client has an exception class for every answer
        reason = _reason(error)
    raise WeightsError(
        f"{file} of {repository} cannot be fetched from the hub: {reason}. Fetch "
        f"{client.constants.ENDPOINT}/{repository}/resolve/main/{file} by hand and give its path."
    )


def push(path: Path, repository: str, *, licence: str = "", private: bool = False) -> str:
    """Upload a weight file of ours, as safetensors with its card, and a page; return its address.

    Args:
        path: a ``.safetensors`` or ``.pth`` file with a model card.
        repository: ``ORG/NAME``; made if it is not there.
        licence: of the weights, as the hub spells licences; goes into the card, too.
        private: who may see a new repository: the organisation only.

    Raises:
        ConfigError: the client is not installed.
        WeightsError: the file has no card, or the hub refuses.
    """
    facts = {"licence": licence}
    content = pack(path, facts)
    page = _page({**read_card(path), **facts}, repository)
    client = _client().HfApi()
    try:
        client.create_repo(repository, private=private, exist_ok=True)
        files = {HUB_FILE: content, "README.md": page.encode()}
        for name, data in files.items():
            client.upload_file(path_or_fileobj=data, path_in_repo=name, repo_id=repository)
    except Exception as error:  # as above
        raise WeightsError(
            f"{repository} on the hub cannot be written: {_reason(error)}."
        ) from None
    return f"hub:{repository}"


def card_lines(card: dict[str, Any]) -> list[str]:
    """Return a card as lines of text, what matters first; the configuration is left out.

    Files of others may hold anything under these names: other formats are shown as they are.
    """
    facts = {
        "model": card.get("model") or card.get("name"),
        "task": card.get("task"),
        "codec": card.get("codec"),
        "input": card.get("input_size"),
        "pixels": _pixels(card),
        "joints": _listed(card.get("joints"), str),
        "scores": _scores(card.get("scores")),
        "trained on": _listed(card.get("data"), _source),
        "licence": card.get("licence"),
        "note": card.get("note"),
        "version": card.get("version"),
    }
    return [f"{name}: {value}" for name, value in facts.items() if value]


def _listed(value: Any, show: Callable[[Any], str]) -> Any:
    return ", ".join(map(show, value)) if isinstance(value, list | tuple) else value


def _scores(scores: Any) -> Any:
    metrics = scores.get("metrics") or {} if isinstance(scores, dict) else None
    if not isinstance(metrics, dict):
        return scores
    known = [(name, value) for name, value in metrics.items() if isinstance(value, int | float)]
    first = ", ".join(f"{name} {value:.4g}" for name, value in known[:5])
    return first and f"{first} (boxes: {scores.get('boxes')})"


def _source(one: Any) -> str:
    if not isinstance(one, dict) or "file" not in one:
        return str(one)
    return f"{one['file']} (sha256 {str(one.get('sha256'))[:12]})"


def _pixels(card: dict[str, Any]) -> str:
    rgb = card.get("color_rgb")
    order = "RGB" if rgb is True else "BGR" if rgb is False else ""
    scale = f"mean {card['mean']}, std {card['std']}" if "mean" in card and "std" in card else ""
    return ", ".join(filter(None, (order, scale)))


def _page(card: dict[str, Any], repository: str) -> str:
    text = "\n".join(f"* {line}" for line in card_lines(card))
    licence = card.get("licence") or "other"
    return PAGE.format(
        licence=licence, name=repository.rpartition("/")[2], text=text, repository=repository
    )


def _client() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise ConfigError("hub: takes huggingface_hub: pip install -e '.[hub]'.") from None
    return huggingface_hub


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
