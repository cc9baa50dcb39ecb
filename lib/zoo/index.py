"""The index of published weights: ``index.json`` and the user's own beside it.

A file of the user's (``EFEPOSE_ZOO_INDEX``, several joined as in PATH) has the same format::

    {"weights": {"our_model": {"url": "our_model.safetensors", "experiment": "our_model.yaml"}}}

Only ``url`` is needed; addresses and experiments without a scheme are paths from the file's folder.
Its names come before ours, and it may name another ``detector``, and another ``pose`` model: what
``tools/predict.py`` takes where it is told none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lib.utils.errors import ConfigError, WeightsError, did_you_mean
from lib.utils.files import at_home, read_json
from lib.zoo.fetch import local_file

OWN_INDEX = "EFEPOSE_ZOO_INDEX"
EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
GENERIC = ("model", "pytorch_model", "weights", "checkpoint")  # file names that say nothing
SHOWN = 6  # names in a message
LONGEST = 200  # bytes between two / of an address; disks take 255
USES = ("pose", "trunk", "detector")
FIELDS = ("use", "url", "sha256", "layout", "licence", "experiment", "settings", "trained_on")
FIELDS += ("joints", "input", "note", "network", "results")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_result(value: Any) -> bool:
    if not isinstance(value, dict) or not _is_text(value.get("dataset")):
        return False
    metrics = value.get("metrics")
    return isinstance(metrics, dict) and bool(metrics) and all(map(_is_number, metrics.values()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


TEXT = (_is_text, "a text")
# What fields of an entry must be, for files that people write by hand.
FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **{key: TEXT for key in FIELDS if key not in ("settings", "joints", "input", "results")},
    "settings": (_is_list_of(_is_text), "a list of overrides such as 'TEST.FLIP_TEST=false'"),
    "joints": (lambda value: value is None or type(value) is int, "a whole number"),
    "input": (
        lambda value: value is None or (_is_list_of(_is_number)(value) and len(value) == 2),
        "[width, height]",
    ),
    "results": (_is_list_of(_is_result), 'a list of {"dataset": ..., "metrics": {name: number}}'),
}


@dataclass(frozen=True)
class Published:
    """One published file.

    Attributes:
        name: ours, short and stable.
        url: its address.
        use: ``pose``, ``trunk`` (start weights) or ``detector`` (of people).
        sha256: first digits of its hash, ``''`` where nobody states it.
        layout: whose key names it has: ``mmpose 0.x``, ``mmpose 1.x``, ``torchvision``, ``timm``,
            ``MAE``, ``transformers``; ``''`` for ours.
        licence: as its publisher states it.
        experiment: YAML of the network it fills, below ``experiments/``, without ``.yaml``; or a
            path.
        settings: overrides that the experiment needs for this file.
        trained_on: data sets.
        joints: outputs per person.
        input: ``(width, height)`` it was trained with.
        note: what else one must know.
        network: name of a torchvision detector.
        results: published scores: ``dataset``, ``boxes`` (their source), ``metrics``.
        renamed: whether another file of the index has the publisher's name, too.
    """

    name: str
    url: str
    use: str = "pose"
    sha256: str = ""
    layout: str = ""
    licence: str = ""
    experiment: str = ""
    settings: tuple[str, ...] = ()
    trained_on: str = ""
    joints: int | None = None
    input: tuple[int, int] | None = None
    note: str = ""
    network: str = ""
    results: tuple[dict[str, Any], ...] = ()
    renamed: bool = False

    @property
    def file(self) -> str:
        """Its name in the cache: the publisher's, or ours where that says nothing."""
        last = Path(unquote(urlsplit(self.url).path)).name  # without ?download=1 and the like
        stem, _, ending = last.rpartition(".")
        if not stem:  # no ending, which tells what a file is
            return f"{self.name}-{last}" if last else self.name
        return f"{self.name}.{ending}" if stem in GENERIC or self.renamed else last

    @property
    def here(self) -> Path | None:
        """The file itself where its address is one of this machine and it is there."""
        path = local_file(self.url) if self.url.startswith("file:") else None
        return path if path is not None and path.is_file() else None

    @property
    def yaml(self) -> Path | None:
        """The YAML file of the experiment; None where no network of ours takes the file."""
        if not self.experiment:
            return None
        path = Path(self.experiment)
        known = self.experiment.removesuffix(".yaml")
        return path if path.is_absolute() else EXPERIMENTS / f"{known}.yaml"

    @property
    def speaks_for_itself(self) -> bool:
        """Whether the file's own card says which network it fills: files of ours need no YAML."""
        return self.use == "pose" and not self.experiment and not self.layout

    def headline(self) -> str:
        """Return the first published score in words, with its data set and boxes."""
        if not self.results:
            return ""
        first = self.results[0]
        name, value = next(iter(first["metrics"].items()))
        boxes = f", boxes: {first['boxes']}" if first.get("boxes") else ""
        return f"{name} {value:g} on {first['dataset']}{boxes}"


@dataclass(frozen=True)
class Index:
    """Everything that is known by name.

    Attributes:
        weights: by name.
        aliases: other names -> names.
        experiments: experiments -> names of their own published weights.
        without: beginnings of experiments' paths -> why there are no such weights.
        detector: name of the person detector to use where none is asked for.
        pose: name of the pose model to use where none is asked for.
    """

    weights: Mapping[str, Published] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    experiments: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
    detector: str = ""
    pose: str = ""

    def get(self, name: str) -> Published | None:
        """Return what ``name`` or an alias stands for, None if nothing."""
        return self.weights.get(name) or self.weights.get(self.aliases.get(name, ""))

    def find(self, name: str) -> Published:
        """Return what ``name`` or an alias stands for.

        Raises:
            WeightsError: nothing, with the nearest name.
        """
        entry = self.get(name)
        if entry is None:
            raise WeightsError(f"The zoo has no weights '{name}'.{self.near(name)}")
        return entry

    def near(self, name: str) -> str:
        """Return a hint of what an unknown name may have meant, and where all names are listed."""
        names = [*self.weights, *self.aliases]
        having = [known for known in names if name.lower() in known.lower()][:SHOWN]
        near = f" Some with that in them: {', '.join(having)}." if having else ""
        guess = did_you_mean(name, names)
        near = near or (guess if guess.endswith("?") else "")  # else a part of a long list
        return f"{near} See tools/zoo.py list."

    def of_file(self, name: str) -> Published | None:
        """Return the entry whose file has this name, None if there is none."""
        return next((entry for entry in self.weights.values() if entry.file == name), None)

    def of_experiment(self, yaml: str | Path) -> Published:
        """Return the published weights of an experiment, by the last parts of its path.

        Raises:
            WeightsError: there are none, with the reason.
        """
        parts = Path(yaml).with_suffix("").parts
        for below in ("/".join(parts[-n:]) for n in range(1, len(parts) + 1)):
            if below in self.experiments:
                return self.find(self.experiments[below])
            starts = [start for start in self.without if below.startswith(start)]
            if starts:
                reason = self.without[max(starts, key=len)]
                raise WeightsError(f"There are no published weights of {below}: {reason}.")
        raise WeightsError(
            f"zoo: alone means the published weights of a file below experiments/, and {yaml} is "
            "none with weights; name some, such as zoo:hrnet_w32_coco (see tools/zoo.py list)."
        )


def load_index() -> Index:
    """Return our index with the user's own on top.

    Raises:
        ConfigError: a file of the user's is not such an index.
    """
    return _load(os.environ.get(OWN_INDEX, ""))


@lru_cache(maxsize=8)
def _load(own: str) -> Index:
    index = _read(Path(__file__).with_name("index.json"))
    for file in filter(None, own.split(os.pathsep)):
        extra = _read(Path(file).absolute())
        index = Index(
            {**index.weights, **_apart(extra.weights, index.weights)},
            {**index.aliases, **extra.aliases},
            {**index.experiments, **extra.experiments},
            {**index.without, **extra.without},
            extra.detector or index.detector,
            extra.pose or index.pose,
        )
    return index


def _apart(own: Mapping[str, Published], ours: Mapping[str, Published]) -> dict[str, Published]:
    """Return entries such that no two addresses share a file: ``a/best.pth``, ``b/best.pth``."""
    addresses: dict[str, set[str]] = {}
    for entry in (*ours.values(), *own.values()):
        addresses.setdefault(entry.file, set()).add(entry.url)
    return {
        name: replace(entry, renamed=len(addresses[entry.file]) > 1) for name, entry in own.items()
    }


def _read(path: Path) -> Index:
    content = read_json(path, "zoo index", f"check {OWN_INDEX}")
    if not isinstance(content, dict) or not isinstance(content.get("weights"), dict):
        raise ConfigError(f'{path} must be an index: {{"weights": {{name: {{"url": ...}}}}}}.')
    weights = {
        str(name): _published(str(name), value, path) for name, value in content["weights"].items()
    }
    tables = [content.get(key, {}) for key in ("aliases", "experiments", "without")]
    if not all(isinstance(t, dict) and all(map(_is_text, t.values())) for t in tables):
        raise ConfigError(f"{path}: aliases, experiments and without must be tables of texts.")
    chosen = [str(content.get(key, "")) for key in ("detector", "pose")]
    return Index(weights, tables[0], tables[1], tables[2], chosen[0], chosen[1])


def _published(name: str, value: Any, path: Path) -> Published:
    """Check one entry of ``path``."""
    if not isinstance(value, dict) or not isinstance(value.get("url"), str) or not value["url"]:
        raise ConfigError(f"{path}: '{name}' must have an address: {{\"url\": ...}}.")
    for key in value:
        if key not in FIELDS:
            raise ConfigError(
                f"{path}: '{name}' has an unknown '{key}'.{did_you_mean(key, FIELDS)}"
            )
    for key, (holds, wanted) in FORMS.items():
        if key in value and not holds(value[key]):
            raise ConfigError(
                f"{path}: '{key}' of '{name}' must be {wanted}, got {value[key]!r:.80}."
            )
    if value.get("use", "pose") not in USES:
        raise ConfigError(f"{path}: 'use' of '{name}' must be one of {', '.join(USES)}.")
    if not re.fullmatch(r"([0-9a-f]{8,64})?", value.get("sha256", "")):
        raise ConfigError(f"{path}: 'sha256' of '{name}' must be 8 to 64 hexadecimal digits.")
    _check_address(name, value["url"], path)
    entry = dict(value)
    if "://" not in entry["url"]:
        entry["url"] = (path.parent / at_home(entry["url"])).resolve().as_uri()
    if (path.parent / entry.get("experiment", "")).is_file():
        entry["experiment"] = str(path.parent / entry["experiment"])
    size = entry.get("input")
    entry["input"] = tuple(size) if size else None
    entry["settings"] = tuple(entry.get("settings", ()))
    entry["results"] = tuple(entry.get("results", ()))
    return Published(name=name, **entry)


def _check_address(name: str, url: str, path: Path) -> None:
    """Refuse an address that none can be, before anything asks for it."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"{path}: 'url' of '{name}' is not an address: {error}.") from None
    plain = unquote(parts.path)
    alone = "://" in url and parts.scheme != "file" and not parts.netloc
    long = max(len(part.encode(errors="replace")) for part in plain.split("/")) > LONGEST
    if alone or long or not f"{url}{plain}".isprintable():
        raise ConfigError(f"{path}: 'url' of '{name}' is not an address: {url!r:.80}.")
