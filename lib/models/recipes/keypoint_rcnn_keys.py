"""Names in files of Keypoint R-CNN <-> ours, which are torchvision's."""

from __future__ import annotations

import re

from lib.models.registry import KeyMap, StateDict

HEAD = "roi_heads.keypoint_head."


class TorchvisionNames:
    """Official names are torchvision's, and ours too, apart from older files and the GCM head.

    Taken as well: a plain ResNet file (ImageNet weights for the body, without ``fc``), names of
    torchvision before 0.13, and, when ``gcm`` is set, a baseline's keypoint head: convolutions 2 to
    8 fit, the first does not and keeps its name, so that a load report shows it.

    Args:
        gcm: the network has the improved keypoint head.
        trunk: names of files that hold a trunk of timm's alone; None with a ResNet.
    """

    least_used = 0.9  # of a file to start from; an R-101 file would fill half of an R-50

    def __init__(self, gcm: bool = False, trunk: KeyMap | None = None) -> None:
        self.gcm = gcm
        self.trunk = trunk

    def from_official(self, state: StateDict) -> StateDict:
        """Return ``state`` under our names; keys that belong to nothing of ours pass unchanged."""
        if self.trunk is not None:
            whole = any(key.startswith("backbone.") for key in state)
            return state if whole else self._of_trunk(self.trunk.from_official(state))
        if "conv1.weight" in state:
            return self._of_trunk(
                {key: value for key, value in state.items() if not key.startswith("fc.")}
            )
        return {self._modern(key): value for key, value in state.items()}

    def to_official(self, state: StateDict) -> StateDict:
        """Return ``state``; there is no other name for a tensor of ours."""
        return dict(state)

    @staticmethod
    def _of_trunk(state: StateDict) -> StateDict:
        return {f"backbone.body.{key}": value for key, value in state.items()}

    def _modern(self, key: str) -> str:
        key = re.sub(r"^(rpn\.head\.conv)\.(weight|bias)$", r"\1.0.0.\2", key)
        key = re.sub(r"(_blocks\.\d)\.(weight|bias)$", r"\1.0.\2", key)
        numbered = re.fullmatch(re.escape(HEAD) + r"(\d+)\.(weight|bias)", key)
        if self.gcm and numbered and int(numbered[1]) > 0:
            return f"{HEAD}conv{int(numbered[1]) // 2 + 1}.{numbered[2]}"
        return key
