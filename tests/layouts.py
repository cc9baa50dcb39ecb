"""Names and shapes of published files, as their publishers write them, for the index's entries.

torchvision's and timm's come from those packages; mmpose's are torchvision's and the official
names with its prefixes, its own blocks by the rules of its sources. Tensors are on the meta device.
"""

import torch
from golden import read_keys

from lib.models.recipes.hrformer import to_mmpose


def meta(shape):
    return torch.empty(shape, device="meta")


def published_layout(entry, network):
    """Return ``{name: tensor}`` of the file of ``entry``; sizes by ``network``, which it fills."""
    family = entry.name.partition("_")[0]
    if entry.layout == "torchvision":
        return of_torchvision(entry)
    if entry.layout == "timm":
        return of_timm(entry)
    if family == "vit":
        return of_mae(entry)
    state = OF_MMPOSE[family](network)
    if entry.layout == "mmpose 0.x":
        state = {key.replace("head.", "keypoint_head.", 1): state[key] for key in state}
    elif entry.layout == "mmpose 1.x":
        state = {
            **state,
            "data_preprocessor.mean": meta((3, 1, 1)),
            "data_preprocessor.std": meta((3, 1, 1)),
        }
    elif entry.layout == "transformers":
        from lib.models.recipes.vitpose_keys import to_transformers

        state = to_transformers(network.state_dict())
        state = with_experts(state) if "_plus_" in entry.name else state
    return state


def of_torchvision(entry):
    import torchvision
    from torchvision.models import detection

    with torch.device("meta"):
        if entry.use == "trunk":
            network = getattr(torchvision.models, entry.name.partition("_")[0])()
        else:
            name = entry.network or "keypointrcnn_resnet50_fpn"
            network = getattr(detection, name)(weights=None, weights_backbone=None)
    return dict(network.state_dict())


def of_timm(entry):
    import timm

    name = entry.name.partition("_imagenet")[0].replace("small_v1", "small")
    with torch.device("meta"):
        return dict(timm.create_model(name).state_dict())


def of_mae(entry):
    import timm

    size, patch = {"s": ("small", 16), "b": ("base", 16), "l": ("large", 16), "h": ("huge", 14)}[
        entry.name.split("_")[1]
    ]
    with torch.device("meta"):
        network = timm.create_model(f"vit_{size}_patch{patch}_224", num_classes=0)
    return {key: value for key, value in network.state_dict().items() if "fc_norm" not in key}


def prefixed(official, own):
    """Return official bare names under mmpose's prefixes, in the shapes of ``own``."""
    heads = ("final_layer.", "deconv_layers.")
    names = {key: f"{'head' if key.startswith(heads) else 'backbone'}.{key}" for key in official}
    bare = {key.removeprefix("backbone.").removeprefix("head."): own[key] for key in own}
    return {names[key]: bare[key] for key in official}


def of_hrnet(network):
    own = network.state_dict()
    official = list(read_keys("pose_hrnet_w32"))  # the names are the same at all widths
    if "head.final_layers.0.weight" in own:  # associative embedding: heatmaps and tags in one
        own = {key.replace("final_layers.0.", "final_layer."): own[key] for key in own}
    return prefixed(official, own)


def of_poseresnet(network):
    own, official = network.state_dict(), read_keys("pose_resnet50")
    import torchvision

    blocks = {key.split(".")[2] for key in own if key.startswith("backbone.layer3.")}
    depth = {6: 50, 23: 101, 36: 152}[len(blocks)]
    with torch.device("meta"):
        trunk = getattr(torchvision.models, f"resnet{depth}")().state_dict()
    head = [key for key in official if key.startswith(("deconv_layers.", "final_layer."))]
    deconvs = [key for key in own if "deconv" in key and own[key].ndim == 4]
    count = 3 * len(deconvs)
    head = [key for key in head if "deconv" not in key or int(key.split(".")[1]) < count]
    return prefixed([*(key for key in trunk if not key.startswith("fc.")), *head], own)


def of_higher(network):
    official = network.key_map.to_official(network.state_dict())
    heads = ("final_layers.", "deconv_layers.")
    return {
        f"{'head' if key.startswith(heads) else 'backbone'}.{key}": value
        for key, value in official.items()
    }


def of_hrformer(network):
    return to_mmpose(network.state_dict())


def of_vitpose(network):
    from lib.models.recipes.vitpose_keys import to_mmpose as write

    return write(network.state_dict())


def of_cspnext(network):
    """A pose network of its own: the trunk, and a heatmap head that is of no use here."""
    trunk = {key: v for key, v in network.state_dict().items() if key.startswith("backbone.")}
    return {**trunk, "head.final_layer.weight": meta((17, 256, 1, 1))}


def of_rtmpose(network):
    return dict(network.state_dict())


def of_simcc(network):
    own = network.state_dict()
    return {key.replace("head.maps.", "head.deconv_head."): value for key, value in own.items()}


def with_experts(state, experts=6):
    """Return transformers' names with a part of each second matrix held by experts."""
    done, share = dict(state), {}
    for key, value in state.items():
        if key.endswith("mlp.fc2.weight"):
            width = value.shape[0]
            part = share.setdefault(width, {384: 96, 768: 192, 1024: 256, 1280: 320}[width])
            done[key] = meta((width - part, value.shape[1]))
            done[key.replace("weight", "bias")] = meta((width - part,))
            start = key.removesuffix("fc2.weight")
            for expert in range(experts):
                done[f"{start}experts.{expert}.weight"] = meta((part, value.shape[1]))
                done[f"{start}experts.{expert}.bias"] = meta((part,))
    return done


OF_MMPOSE = {
    "hrnet": of_hrnet,
    "poseresnet50": of_poseresnet,
    "poseresnet101": of_poseresnet,
    "poseresnet152": of_poseresnet,
    "higher": of_higher,
    "hrformer": of_hrformer,
    "vitpose": of_vitpose,
    "rtmpose": of_rtmpose,
    "simcc": of_simcc,
    "cspnext": of_cspnext,
}
