"""Tools are scripts, not modules of a package: load one by its path."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent


def load_script(path: str) -> ModuleType:
    """Return ``tools/train.py`` and the like as a module."""
    spec = spec_from_file_location(Path(path).stem + "_script", ROOT / path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw(kind, prediction, truth, images, folder, *flags):
    """Let ``visualization/plot_<kind>.py`` paint predictions; return the pictures, by name."""
    words = ["--prediction", prediction, "--gt-anno", truth, "--image-path", images]
    plot = load_script(f"visualization/plot_{kind}.py")
    plot.main([str(word) for word in (*words, "--save-path", folder, *flags)])
    return sorted(folder.iterdir())


def train_and_test(config, settings):
    """Run both tools on a configuration with some settings changed; return the scores."""
    words = ["--cfg", str(config), *(f"{key}={value}" for key, value in settings.items())]
    load_script("tools/train.py").main(words)
    return load_script("tools/test.py").main(words)
