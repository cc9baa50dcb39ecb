import json
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from tool_loader import load_script

from lib.utils.errors import ConfigError, DataError

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def record(folder, steps, **values):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {"kind": "train", "epoch": step // 4, "step": step, "loss": 2 / step, "lr": 0.1}
        | {"samples_per_s": 7.5, "waiting": 0.25, "computing": 0.75, "host_gib": 0.5, **values}
        for step in range(1, steps + 1)
    ]
    lines.append({"kind": "val", "epoch": 1, "step": steps, "AP": 0.3125, "seconds": {"load": 1.0}})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text + '{"kind": "tra')
    return folder


@contextmanager
def served(*folders):
    words = ["--run", *map(str, folders), "--port", "0"]
    with load_script("visualization/live.py").start(words) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def get(url, **options):
    with urllib.request.urlopen(urllib.request.Request(url, **options), timeout=20) as answer:
        return answer.read().decode(), answer.headers


def test_page_shows_what_was_recorded_until_now_and_looks_again(tmp_path):
    run = record(tmp_path / "model" / "small", 3)
    with served(run) as url:
        page, headers = get(url)
        assert headers["Refresh"] == "5"
        for text in ("small", "<td>3</td>", "0.6667", "0.3125", "stopped", "waiting", "0.50 GiB"):
            assert text in page
        (run / "running.lock").touch()
        record(run, 5)
        page, _ = get(url)
        assert "<td>5</td>" in page
        assert "running" in page
        assert get(url, method="HEAD")[0] == ""


def test_page_shows_the_last_samples_and_the_worst_ones(tmp_path):
    run = record(tmp_path / "model" / "small", 3)
    for name in ("first", "second", "worst"):
        cv2.imwrite(str(run / f"{name}.jpg"), np.full((8, 6, 3), 90, np.uint8))
    lines = [
        {"kind": "pictures", "epoch": 0, "step": 2, "pictures": {"samples": "first.jpg"}},
        {"kind": "worst", "epoch": 0, "step": 2, "loss": [0.5], "key": ["0:3"], "name": ["<b>.jpg"],
         "pictures": {"worst": "worst.jpg"}},
        {"kind": "pictures", "epoch": 1, "step": 3, "pictures": {"samples": "second.jpg"}},
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    whole = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(text + whole)
    with served(run) as url:
        page, _ = get(url)
    assert "What it saw" in page
    assert "after 3 steps" in page
    assert "after 2 steps" not in page
    assert "Worst training samples" in page
    assert "&lt;b&gt;.jpg" in page
    assert page.count("<img") == page.count('src="data:image/jpeg;base64,') == 2


def test_several_runs_stand_side_by_side_under_names_that_differ(tmp_path):
    runs = [record(tmp_path / name / "cfg", 4, loss=1.0) for name in ("first", "second")]
    (tmp_path / "third" / "cfg").mkdir(parents=True)
    with served(*runs, tmp_path / "third" / "cfg") as url:
        page, _ = get(url)
    assert page.count("<figcaption>loss<") == 1
    for name in ("first/cfg", "second/cfg"):
        assert f"</i>{name}</li>" in page  # of the legend
        assert f"Time and memory of {name}" in page
    assert "not started" in page


def test_lock_that_a_kill_left_behind_is_no_running_run(tmp_path):
    run = record(tmp_path / "run", 3)
    (run / "running.lock").touch()
    os.utime(run / "running.lock", (1.0, 1.0))
    with served(run) as url:
        assert "stopped" in get(url)[0]


@pytest.mark.parametrize(
    ("path", "options", "code"),
    [
        ("/metrics.jsonl", {}, 404),
        ("/../config.yaml", {}, 404),
        ("/%2e%2e/config.yaml", {}, 404),
        ("//etc/passwd", {}, 404),
        ("/", {"method": "POST", "data": b"x"}, 501),
        ("/", {"method": "DELETE"}, 501),
        ("/", {"headers": {"Host": "somebody.example"}}, 403),
        ("/", {"headers": {"Host": "127.0.0.1.somebody.example:80"}}, 403),
    ],
)
def test_nothing_else_can_be_read_or_done(path, options, code, tmp_path):
    with served(record(tmp_path / "run", 2)) as url:
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(url + path, **options)
        assert refused.value.code == code


def test_page_asks_for_nothing_from_elsewhere(tmp_path):
    with served(record(tmp_path / "run", 2)) as url:
        page, _ = get(url)
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_run_that_is_not_there_yet_is_waited_for(tmp_path, capsys):
    run = tmp_path / "later" / "run"
    with served(run) as url:
        assert f"{run} is not there yet" in capsys.readouterr().out
        assert "not started" in get(url)[0]
        record(run, 4)
        assert "<td>4</td>" in get(url)[0]


def test_names_and_lines_of_any_kind_are_shown_or_left_out(tmp_path):
    run = record(tmp_path / "a <b> & 'c' \"d\" ü" / "<script>alert(1)", 3)
    odd = tmp_path / os.fsdecode(b"no utf-8 \xff")
    odd.mkdir()
    lines = ['{"kind": "train"}', '{"kind": "val", "step": "x", "epoch": 0}', "[1]", "7", "null"]
    lines += ['{"kind": "pictures", "epoch": 0, "step": 2, "pictures": {"samples": "/etc/x.jpg"}}']
    lines += ['{"kind": "worst", "epoch": 0, "step": 2, "loss": 3, "name": null}']
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b"\n" + "\n".join(lines).encode() + b'\n{"kind": "train", "name": "\xc3')
    with served(run, odd) as url:
        page, _ = get(url)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<td>3</td>" in page
    assert "no utf-8 ?" in page


def test_file_as_folder_and_impossible_port_are_sentences(tmp_path):
    start = load_script("visualization/live.py").start
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DataError, match="is a file; give run folders"):
        start(["--run", str(file)])
    with pytest.raises(ConfigError, match=r"Cannot listen on .*99999"):
        start(["--run", str(tmp_path), "--port", "99999"])
    with served(tmp_path) as url, pytest.raises(ConfigError, match="choose another --port"):
        start(["--run", str(tmp_path), "--port", url.rpartition(":")[2]])


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no browser")
@pytest.mark.parametrize("width", [390, 1200])
def test_browser_shows_the_page(width, tmp_path):
    picture = tmp_path / "page.png"
    with served(record(tmp_path / "run", 9)) as url:
        subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},1600",
             f"--screenshot={picture}", url],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    assert picture.stat().st_size > 20_000
