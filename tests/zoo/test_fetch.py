"""Downloads as they go wrong: every one ends with the right file or with a sentence."""

import errno
import hashlib
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from loopback import slowly, web_page

from lib.utils.errors import WeightsError
from lib.zoo import fetch as fetching
from lib.zoo.fetch import cache_folder, cached, fetch

BODY = random.Random(5).randbytes(700_001)
HASH = hashlib.sha256(BODY).hexdigest()


def get(site, sha256=HASH[:8], path="a/w.pth"):
    site.files.setdefault(path, BODY)
    return fetch(site.address(path), "w.pth", sha256)


def test_a_file_is_fetched_once_and_verified(site, home):
    path = get(site, HASH)
    assert path == home / "w.pth"
    assert path.read_bytes() == BODY
    assert get(site) == path
    assert site.asked == [("a/w.pth", None)]
    assert sorted(file.name for file in home.iterdir()) == ["w.pth", "w.pth.lock"]


def test_a_broken_download_goes_on_where_it_broke(site, home):
    site.faults["a/w.pth"] = [300_000, 100_000]
    assert get(site).read_bytes() == BODY
    assert [wanted for _, wanted in site.asked] == [None, "bytes=300000-", "bytes=400000-"]


def test_a_later_call_goes_on_after_a_killed_one(site, home):
    home.mkdir(parents=True)
    (home / "w.pth.part").write_bytes(BODY[:123_456])
    assert get(site).read_bytes() == BODY
    assert site.asked == [("a/w.pth", "bytes=123456-")]


def test_all_bytes_had_arrived_before_the_kill(site, home):
    home.mkdir(parents=True)
    (home / "w.pth.part").write_bytes(BODY)
    assert get(site).read_bytes() == BODY
    assert len(site.asked) == 1


def test_parts_of_another_version_are_not_mixed(site, home):
    home.mkdir(parents=True)
    (home / "w.pth.part").write_bytes(b"x" * 1000)
    (home / "w.pth.part.etag").write_text('"0"')
    assert get(site).read_bytes() == BODY
    (home / "w.pth").unlink()
    (home / "w.pth.part").write_bytes(BODY + b"more")  # longer than the file
    assert get(site).read_bytes() == BODY


def test_a_server_without_ranges_starts_anew(site, home):
    site.ranges = False
    site.faults["a/w.pth"] = [300_000]
    assert get(site).read_bytes() == BODY


def test_a_tampered_file_is_refused_and_deleted(site, home):
    site.files["a/w.pth"] = BODY[:-1] + bytes([BODY[-1] ^ 1])
    with pytest.raises(WeightsError, match=f"not the file that was published.*{HASH[:8]}"):
        get(site)
    assert not (home / "w.pth").exists()
    assert not (home / "w.pth.part").exists()


@pytest.mark.parametrize("sha256", [HASH[:8], ""])
def test_a_truncated_file_is_refused(site, home, sha256):
    site.faults["a/w.pth"] = [400_000] + [0] * 20  # the rest is announced, and never sent
    with pytest.raises(WeightsError, match=r"broke after 0\.4 of 0\.7 MB.*goes on from there"):
        get(site, sha256)
    assert not (home / "w.pth").exists()


def test_a_file_of_another_length_is_refused(site, home):
    site.files["a/w.pth"] = BODY + b"tail"
    with pytest.raises(WeightsError, match="not the file that was published"):
        get(site)


def test_a_missing_address_says_where_to_put_the_file(site, home):
    site.files["a/w.pth"] = BODY
    with pytest.raises(WeightsError, match=r"404.*by hand.*w\.pth"):
        fetch(site.address("b/w.pth"), "w.pth")
    assert len(site.asked) == 1  # not worth trying again


def test_a_busy_server_is_asked_again(site, home):
    site.faults["a/w.pth"] = [(503, None), (429, None)]
    assert get(site).read_bytes() == BODY


def test_a_server_that_stays_broken_is_given_up(site, home):
    site.faults["a/w.pth"] = [(503, None)] * 20
    with pytest.raises(WeightsError, match="answers 503"):
        get(site)
    assert len(site.asked) == fetching.ATTEMPTS


def test_redirections_are_followed_but_not_for_ever(site, home):
    site.files["b/w.pth"] = BODY
    site.faults["a/w.pth"] = [(302, site.address("b/w.pth"))]
    assert get(site).read_bytes() == BODY
    site.faults["loop"] = [(302, site.address("loop"))] * 50
    with pytest.raises(WeightsError, match="302"):
        fetch(site.address("loop"), "loop.pth")


def test_a_slow_server_is_waited_for(site, home):
    site.faults["a/w.pth"] = [slowly(BODY, 5, 0.02)]
    assert get(site).read_bytes() == BODY


def test_a_silent_server_is_left_and_asked_again(site, home, monkeypatch):
    monkeypatch.setattr(fetching, "TIMEOUT", 0.2)
    site.faults["a/w.pth"] = [slowly(BODY, 2, 0.6)]
    assert get(site).read_bytes() == BODY
    assert site.asked[1][1] is not None  # goes on


def test_a_web_page_is_no_file(site, home):
    site.faults["a/w.pth"] = [web_page] * 9
    with pytest.raises(WeightsError, match="sends a web page"):
        get(site, "")


def test_without_network_one_sentence_says_what_to_do(home, monkeypatch):
    monkeypatch.setattr(fetching, "ATTEMPTS", 1)
    with pytest.raises(WeightsError, match=r"no connection.*Fetch http://127\.0\.0\.1:9/w\.pth by"):
        fetch("http://127.0.0.1:9/w.pth", "w.pth")


def test_offline_nothing_is_asked(site, home, monkeypatch):
    monkeypatch.setenv(fetching.OFFLINE, "1")
    with pytest.raises(WeightsError, match=r"offline.*by hand and put it there as .*w\.pth"):
        get(site)
    assert site.asked == []
    home.mkdir(parents=True)
    (home / "w.pth").write_bytes(BODY)
    assert get(site) == home / "w.pth"


def test_a_mirror_takes_the_place_of_every_address(site, home, monkeypatch, tmp_path):
    site.files["lab/w.pth"] = BODY
    monkeypatch.setenv(fetching.MIRROR, site.address("lab/"))
    assert fetch("https://nowhere.invalid/deep/x.pth", "w.pth", HASH[:8]).read_bytes() == BODY
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "v.pth").write_bytes(BODY)
    monkeypatch.setenv(fetching.MIRROR, str(tmp_path / "disk"))
    monkeypatch.setenv(fetching.OFFLINE, "1")  # a folder needs no network
    assert fetch("https://nowhere.invalid/v.pth", "v.pth", HASH[:8]).read_bytes() == BODY


def test_a_proxy_is_asked(site, home, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", site.url)
    site.files["http://files.invalid/w.pth"] = BODY
    assert fetch("http://files.invalid/w.pth", "w.pth", HASH[:8]).read_bytes() == BODY


def test_files_of_torch_hub_are_used_if_they_are_right(site, home, tmp_path):
    hub = tmp_path / "torch" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    (hub / "w.pth").write_bytes(BODY)
    assert get(site) == hub / "w.pth"
    (hub / "w.pth").write_bytes(BODY[:-1])
    assert get(site) == home / "w.pth"
    assert len(site.asked) == 1


def test_the_cache_is_where_the_environment_says(home, tmp_path, monkeypatch):
    assert cache_folder() == home
    monkeypatch.delenv(fetching.HOME)
    assert cache_folder() == tmp_path / "torch" / "efepose"


def test_a_mirror_folder_without_the_file_is_named(home, monkeypatch, tmp_path):
    monkeypatch.setenv(fetching.MIRROR, str(tmp_path / "disk"))
    monkeypatch.setattr(fetching, "PAUSE", 3600.0)  # nothing to wait for
    with pytest.raises(WeightsError, match=r"MIRROR: there is no .*disk/w\.pth\. Fetch"):
        fetch("https://host.invalid/w.pth", "w.pth")


@pytest.mark.parametrize("name", [fetching.HOME, "TORCH_HOME"])
def test_homes_of_nobody_are_folders_of_that_name(name, home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(fetching.HOME)
    monkeypatch.setenv(name, "~nobody99/x")
    assert str(fetching.cache_folder()).startswith("~nobody99")


def test_a_cache_that_cannot_be_written(site, home, monkeypatch):
    monkeypatch.setenv(fetching.HOME, "/proc/efepose")
    with pytest.raises(WeightsError, match=r"[Cc]annot.*EFEPOSE_HOME"):
        get(site)


def test_a_read_only_cache_gives_what_it_holds(site, home, monkeypatch):
    home.mkdir(parents=True)
    (home / "w.pth").write_bytes(BODY)

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert get(site) == home / "w.pth"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_named_and_costs_nothing(site, home):
    home.mkdir(parents=True)
    (home / "w.pth.part").symlink_to("/dev/full")
    with pytest.raises(WeightsError, match=r"No space is left.*EFEPOSE_HOME"):
        get(site)
    (home / "w.pth.part").unlink()
    assert get(site).read_bytes() == BODY


def test_room_is_asked_for_before_anything_is_written(site, home, monkeypatch):
    usage = type("Usage", (), {"free": len(BODY) - 1})
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WeightsError, match="No space is left"):
        get(site)


def test_threads_at_once_fetch_once(site, home):
    site.files["a/w.pth"] = BODY
    site.faults["a/w.pth"] = [slowly(BODY, 4, 0.1)]
    found = []
    threads = [threading.Thread(target=lambda: found.append(get(site))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() == BODY for path in found] == [True] * 3
    assert len(site.asked) == 1


def test_two_processes_at_once_fetch_once(site, home):
    site.files["a/w.pth"] = BODY
    site.faults["a/w.pth"] = [slowly(BODY, 4, 0.4)]
    code = f"from lib.zoo.fetch import fetch; fetch({site.address('a/w.pth')!r}, 'w.pth', {HASH!r})"
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    both = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert cached("w.pth").read_bytes() == BODY
    assert len(site.asked) == 1
