import pytest
import torch
from modelcfg import model_cfg

from lib.models import build_model
from lib.utils.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "head"),
    [("rtmpose", "RTMCCHead"), ("simcc_hrnet", "SimccHead"), ("simcc_resnet", "SimccHead")],
)
def test_a_head_of_rows_under_a_codec_of_maps_is_refused_before_it_is_built(name, head):
    message = f"'dark' reads heatmaps, but the head of {name} .{head}. gives simcc.* simcc,"
    with torch.device("meta"), pytest.raises(ConfigError, match=message):
        build_model(model_cfg(name, TARGET_TYPE="dark"))
