import pytest
from loopback import serving

from lib.zoo import fetch


@pytest.fixture
def site():
    with serving() as running:
        yield running


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, no settings of the user's, no waiting between attempts."""
    for name in (fetch.MIRROR, fetch.OFFLINE, "EFEPOSE_ZOO_INDEX", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(fetch.HOME, str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    return tmp_path / "home" / "weights"
