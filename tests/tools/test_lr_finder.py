import pytest
from tool_loader import load_script


def test_rates_and_batches_of_a_real_network(tiny_config, tmp_path, capsys):
    tool = load_script("tools/analyse/lr_finder.py")
    command = ["--cfg", str(tiny_config), "--plot"]
    scan = tool.main([*command, str(tmp_path / "rates.png"), "--steps", "12", "--low", "1e-4"])
    assert len(scan.rates) <= 12
    assert "rate" in capsys.readouterr().out
    trials = tool.main([*command, str(tmp_path / "deep/batches.svg"), "--batch", "--most", "4"])
    assert [one.size for one in trials] == [1, 2, 4]
    assert "4 is the largest that was tried and fits" in capsys.readouterr().out
    assert (tmp_path / "rates.png").stat().st_size > 1000
    assert b"<svg" in (tmp_path / "deep/batches.svg").read_bytes()
    assert not (tmp_path / "output").exists()


def test_a_loss_that_never_falls_is_said():
    import numpy as np

    from lib.engine.finder import RateScan

    tool = load_script("tools/analyse/lr_finder.py")
    rates = np.geomspace(1e-3, 1, 9)
    assert "did not fall at any rate" in tool.rate_table(RateScan(rates, rates, rates))
    assert tool.batch_table([]) == "not even one sample fits"


@pytest.mark.parametrize("name", ["rates", "rates.xyz", "rates.png.txt"])
def test_a_drawing_of_no_kind_is_refused_before_the_scan(tiny_config, capsys, name):
    with pytest.raises(SystemExit) as stop:
        load_script("tools/analyse/lr_finder.py").main(["--cfg", str(tiny_config), "--plot", name])
    assert stop.value.code == 2
    assert f"must end in .png, .svg, .pdf or .jpg, got {name}" in capsys.readouterr().err
