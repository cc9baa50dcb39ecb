"""Weights of a network for other joints: what predicts a joint is kept where the names agree.

A head says by ``joint_channels`` which entries of its tensors belong to which joint. Names are
compared in their common spelling (``left_wrist``, ``LWrist``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from lib.models.registry import StateDict
from lib.structures.skeleton import load_skeleton
from lib.structures.union import joint_name

Channels = dict[str, tuple[int, list[str]]]  # tensor -> axis, and what each entry along it is for
ASSUMED = ("coco", "mpii", "crowdpose", "wholebody")  # of files without names, by their number
CENTRE = "person_centre"  # the one more output of DATASET.WITH_CENTER


@runtime_checkable
class HasJoints(Protocol):
    """A part of a network, some of whose tensors hold an entry per joint."""

    def joint_channels(self, joints: Sequence[str]) -> Channels:
        """Return axis and meaning of the entries of each such tensor, by its name in the part.

        Args:
            joints: names of all joints that the part predicts, in its order.
        """
        ...


@dataclass
class Transfer:
    """Tensors of a file, rearranged for the joints of a network.

    Attributes:
        tensors: by our name, as large as the network's.
        kept: joints whose entries come from the file.
        fresh: joints of the network that the file lacks; their entries are the network's own.
        assumed: skeleton that the file was taken to have; '' if it names its joints.
    """

    tensors: StateDict
    kept: list[str]
    fresh: list[str]
    assumed: str = ""

    def __str__(self) -> str:
        count = len(self.kept)
        taken = f" (taken for those of {self.assumed}, the file names none)" if self.assumed else ""
        kept = (
            f"{count} joints keep their outputs{taken}: {', '.join(self.kept)}"
            if count
            else (f"no joint has a namesake in the file{taken}")
        )
        return f"{kept}; {len(self.fresh)} start fresh: {', '.join(self.fresh) or 'none'}"


def channels_of(layer: nn.Module, name: str, labels: Sequence[str], axis: int = 0) -> Channels:
    """Return the channels of a layer that has one entry per label.

    Args:
        layer: a convolution, or a norm layer.
        name: of the layer in the part.
        labels: what each of its outputs is for.
        axis: of the weights; vectors have one only.
    """
    return {
        f"{name}.{key}": (axis if value.ndim > 1 else 0, list(labels))
        for key, value in layer.state_dict().items()
        if value.ndim
    }


def joint_channels(network: nn.Module, joints: Sequence[str]) -> Channels:
    """Return the channels of all parts of a network that predict joints."""
    found: Channels = {}
    for prefix, module in network.named_modules():
        if isinstance(module, HasJoints):
            dot = f"{prefix}." if prefix else ""
            found |= {f"{dot}{k}": v for k, v in module.joint_channels(joints).items()}
    return found


def same_head(network: nn.Module, state: StateDict) -> bool:
    """Return whether a file has the network's head, perhaps for other joints.

    Args:
        network: of ``build_model``; its head is ``head``.
        state: of the file, under our names.
    """
    own = {name: value for name, value in network.state_dict().items() if name.startswith("head.")}
    axes = {name: axis for name, (axis, _) in joint_channels(network, ("any",)).items()}
    return bool(own) and all(
        name in state and _shape(state[name], axes.get(name)) == _shape(value, axes.get(name))
        for name, value in own.items()
    )


def _shape(tensor: Tensor, axis: int | None) -> tuple[int, ...]:
    """Return the size of a tensor along all axes but one."""
    return tuple(size for number, size in enumerate(tensor.shape) if number != axis)


def transfer_joints(
    network: nn.Module, state: StateDict, joints: Sequence[str], content: Mapping[str, Any]
) -> Transfer | None:
    """Rearrange the tensors of a file that hold an entry per joint, by the names of the joints.

    Args:
        network: whose joints are ``joints``.
        state: of the file, under our names.
        joints: names, in the network's order.
        content: what the file holds beside the tensors; its ``meta`` may name the joints.

    Returns:
        None if the file has the same joints, or if nobody knows which it has.
    """
    own = network.state_dict()
    names = _spelled(joints)
    wanted = _channels_that_fit(network, own, names)
    recorded = named_joints(content)
    if not wanted or (not recorded and all(_alike(own, state, name) for name in wanted)):
        return None
    centred = bool(recorded) or any(CENTRE in labels for _, labels in wanted.values())
    candidates = [(recorded, "")] if recorded else _assumed()
    for theirs, assumed in candidates:
        spelled = _spelled(theirs)
        given = _channels_that_fit(network, state, spelled, centred=centred)
        if given and spelled != names:
            tensors = dict(_rearranged(own, state, wanted, given))
            kept = [n for n, s in zip(joints, names, strict=True) if s in spelled and tensors]
            fresh = [name for name in joints if name not in kept]
            return Transfer(tensors, kept, fresh, assumed)
    return None


def named_joints(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the joints that a weights file gives: ours, or mmpose 1.x; else none."""
    meta = content.get("meta")
    if not isinstance(meta, Mapping):
        return ()
    names = meta.get("joints")
    published = meta.get("dataset_meta")
    if names is None and isinstance(published, Mapping):
        table = published.get("keypoint_id2name")
        names = [table[k] for k in sorted(table)] if isinstance(table, Mapping) else None
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return tuple(names)
    return ()


def _assumed() -> Iterator[tuple[tuple[str, ...], str]]:
    return ((load_skeleton(name).joints, name) for name in ASSUMED)


def _spelled(joints: Sequence[str]) -> list[str]:
    """Return the common spellings, or the names as they are if two of them would be one."""
    common = [joint_name(name) for name in joints]
    return common if len(set(common)) == len(common) else list(joints)


def _channels_that_fit(
    network: nn.Module, state: StateDict, names: Sequence[str], *, centred: bool = True
) -> Channels:
    """Return the channels of the tensors in ``state``, if it has as many entries as names.

    Or one more, if ``centred``: 18 outputs of who knows what are not COCO's joints and a centre.
    """
    for labels in (list(names), [*names, CENTRE])[: 1 + centred]:
        channels = joint_channels(network, labels)
        there = {name: value for name, value in channels.items() if name in state}
        if there and all(
            state[name].ndim > axis and state[name].shape[axis] == len(entries)
            for name, (axis, entries) in there.items()
        ):
            return there
    return {}


def _rearranged(
    own: StateDict, state: StateDict, wanted: Channels, given: Channels
) -> Iterator[tuple[str, Tensor]]:
    for name, (axis, labels) in wanted.items():
        if name not in given:
            continue
        place = {label: number for number, label in enumerate(given[name][1])}
        here = [number for number, label in enumerate(labels) if label in place]
        there = [place[labels[number]] for number in here]
        target, source = own[name].clone(), state[name]
        views = target.movedim(axis, 0), source.movedim(axis, 0)
        if here and views[0].shape[1:] == views[1].shape[1:]:
            views[0][here] = views[1][there].to(target.dtype)
            yield name, target


def _alike(own: StateDict, state: StateDict, name: str) -> bool:
    return name not in state or own[name].shape == state[name].shape
