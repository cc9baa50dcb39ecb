import json

import numpy as np
import pytest
from labelled import JOINTS, labelled_content
from tool_loader import load_script

from lib.structures.skeleton import load_skeleton
from lib.utils.errors import ConfigError, DataError


def sigmas(*words):
    return load_script("tools/data/sigmas.py").main([str(word) for word in words])


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(4)
    for name in "abc":
        content = labelled_content()
        for row in content["annotations"]:
            joints = np.reshape(row["keypoints"], (-1, 3)).astype(float)
            noise = rng.normal(0, 0.02, (len(joints), 2)) * np.sqrt(row["area"])
            joints[:, :2] += noise * (joints[:, 2:] > 0)
            row["keypoints"] = joints.ravel().tolist()
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return [tmp_path / f"{name}.json" for name in "abc"]


def test_prints_and_writes(files, tmp_path, capsys):
    out = tmp_path / "measured.yaml"
    found = sigmas(*files, "--out", out, "--json", tmp_path / "s.json")
    assert [spread.joint for spread in found] == JOINTS
    said = capsys.readouterr().out
    assert "95% interval" in said
    assert "per axis" in said
    skeleton = load_skeleton(str(out))
    assert skeleton.joints == tuple(JOINTS)
    np.testing.assert_allclose(skeleton.sigmas, [s.sigma for s in found], rtol=1e-3)
    assert "measured, 3 annotators, " in out.read_text()
    assert len(json.loads((tmp_path / "s.json").read_text())) == len(JOINTS)


def test_mistakes_are_one_sentence(files):
    with pytest.raises(DataError, match="give several files"):
        sigmas(files[0])
    with pytest.raises(DataError, match="agree to the last digit"):
        sigmas(files[0], files[0])
    with pytest.raises(ConfigError, match="already exists"):
        sigmas(*files, "--out", files[0])
    with pytest.raises(ConfigError, match="between 0 and 1"):
        sigmas(*files, "--confidence", 95)
