"""``IMPORTS`` in files, bases, overrides and cards."""

import pytest
import yaml

from lib.config import ConfigError, load_config, load_config_text
from lib.config.loader import config_text
from lib.models.registry import NECKS

TEXT = "from lib.models.registry import NECKS\n\n@NECKS.register('{0}')\ndef {0}():\n    pass\n"


def write(folder, name, tree):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(tree))
    return folder / name


def test_paths_are_relative_to_the_file_that_says_so(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "mine.py").write_text(TEXT.format("by_base"))
    write(tmp_path / "parts", "base.yaml", {"IMPORTS": "mine.py"})
    leaf = write(tmp_path / "leaves", "leaf.yaml", {"_BASE_": "../parts/base.yaml"})
    cfg = load_config(leaf)
    assert [str(tmp_path / "parts" / "mine.py")] == cfg.IMPORTS
    assert "by_base" in NECKS


def test_overrides_are_relative_to_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(TEXT.format("by_word"))
    leaf = write(tmp_path / "leaves", "leaf.yaml", {"IMPORTS": ["gone.py"]})
    with pytest.raises(ConfigError, match=r"leaf.yaml: IMPORTS .*leaves/gone.py: .* no such file"):
        load_config(leaf)
    monkeypatch.chdir(tmp_path)
    assert [str(tmp_path / "mine.py")] == load_config(leaf, ["IMPORTS", "[mine.py]"]).IMPORTS
    assert "by_word" in NECKS


@pytest.mark.parametrize("value", [3, [1], {"a": "b"}, [""]])
def test_anything_but_names_is_refused(tmp_path, value):
    with pytest.raises(ConfigError, match="IMPORTS must be"):
        load_config(write(tmp_path / "leaves", "leaf.yaml", {"IMPORTS": value}))


def test_a_card_runs_nothing_unless_it_is_asked_to(tmp_path):
    (tmp_path / "mine.py").write_text(TEXT.format("by_card"))
    cfg = load_config(write(tmp_path, "leaf.yaml", {"IMPORTS": ["mine.py"]}))
    text = config_text(cfg)
    with pytest.raises(ConfigError, match=r"the card asks for code of its own, IMPORTS \[/.*mine"):
        load_config_text(text, "the card")
    again = load_config_text(text, "the card", ["IMPORTS", f"[{tmp_path / 'mine.py'}]"])
    assert again.IMPORTS == cfg.IMPORTS
    assert load_config_text("MODEL: {NAME: pose_resnet}", "the card").IMPORTS == []
