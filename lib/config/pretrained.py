"""The name, file or folder of a trained model -> its configuration and its weight file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from lib.config.cli import run_weights
from lib.config.loader import load_config, load_config_text
from lib.utils.errors import ConfigError, WeightsError
from lib.utils.files import at_home
from lib.zoo.card import is_safetensors, own_config, read_card
from lib.zoo.fetch import has_hash
from lib.zoo.index import EXPERIMENTS, Published, load_index
from lib.zoo.resolve import is_published, of_zoo, published, resolve_weights

NAME_IT = "Name its YAML file: --cfg FILE TEST.MODEL_FILE PATH."


def find_model(
    source: str | Path, overrides: Sequence[str] = (), advice: str = NAME_IT
) -> tuple[CfgNode, Path]:
    """Return what builds and fills a model, with no YAML of the caller's.

    Args:
        source: a name of the zoo; a weight file, address or ``hub:ORG/NAME`` whose file has a model
            card; a file of the zoo fetched by hand, under its publisher's name; or a run folder.
        overrides: as those of ``load_config``.
        advice: what to do about a file that does not say its network.

    Returns:
        The frozen tree and the file.

    Raises:
        WeightsError: there is no such file, or it cannot be had.
        ConfigError: nothing says which network the file belongs to.
    """
    if str(source) and at_home(source).is_dir():
        return _of_folder(at_home(source), overrides)
    entry = published(str(source)) if is_published(str(source)) else None
    if entry is not None and not entry.speaks_for_itself:
        cfg = published_config(entry, overrides)  # before anything is fetched
        return cfg, of_zoo(entry)
    path = resolve_weights(source) if entry is None else of_zoo(entry)
    config = own_config(read_card(path))
    if config:
        return load_config_text(config, f"the card of {path}", overrides), path
    entry = load_index().of_file(path.name)
    if entry is None or (entry.sha256 and not has_hash(path, entry.sha256)):
        raise ConfigError(
            f"{path} does not say which network it belongs to: it has no model card, and the zoo "
            f"knows no such file. {advice}"
        )
    return published_config(entry, overrides), path


def published_config(entry: Published, overrides: Sequence[str] = ()) -> CfgNode:
    """Return the configuration that an entry of the zoo wants.

    Raises:
        ConfigError: it is no pose model, no network of ours takes it, or its YAML is not there.
    """
    wanted = {
        "trunk": f"start weights, not a pose model; train with MODEL.PRETRAINED zoo:{entry.name}",
        "detector": f"a person detector; use it with --detector {entry.name}",
    }
    if entry.use in wanted:
        raise ConfigError(f"{entry.name} is {wanted[entry.use]}.")
    if entry.yaml is None:
        note = entry.note or "no network here takes its layout."
        raise ConfigError(f"{entry.name} cannot be used: {note}")
    if not entry.yaml.is_file():
        raise ConfigError(
            f"The experiment of {entry.name}, {entry.yaml}, is not there: the zoo needs the folder "
            f"{EXPERIMENTS.name}/ of the repository beside the package (pip install -e .)."
        )
    return load_config(entry.yaml, [*entry.settings, *overrides])


def _of_folder(folder: Path, overrides: Sequence[str]) -> tuple[CfgNode, Path]:
    """Return configuration and weights of a run, or of a folder with one file that has a card."""
    weights, config = run_weights(folder), folder / "config.yaml"
    if weights is not None and config.is_file():
        return load_config(config, overrides), weights
    files = [path for path in sorted(folder.iterdir()) if is_safetensors(path)]
    if weights is not None or len(files) == 1:
        return find_model(weights or files[0], overrides)
    raise WeightsError(
        f"{folder} is not a model: a run has config.yaml and model_best or final_state, any other "
        f"folder one .safetensors file; it has {len(files)}."
    )
