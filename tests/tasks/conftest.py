import pytest
import yaml
from toys.two_stages import EXTRA, STAGES

from lib.config import load_config
from lib.tasks import build_task


@pytest.fixture
def make(synthpose, tmp_path):
    """Build a task on ``synthpose`` with overrides ``KEY=VALUE``."""

    def build(*overrides, root=synthpose / "coco", joints=17):
        path = tmp_path / "bottomup.yaml"
        content = {
            **STAGES,
            "MODEL": {"NAME": "pose_higher_hrnet", "NUM_JOINTS": joints, "EXTRA": EXTRA},
            "DATASET": {"DATASET": "coco", "ROOT": str(root), "INPUT_SIZE": 128,
                        "OUTPUT_SIZE": [32, 64], "SIGMA": 2},
            "WORKERS": 0,
        }  # fmt: skip
        path.write_text(yaml.safe_dump(content))
        return build_task(load_config(path, list(overrides)))

    return build
