"""Labelled or predicted pictures -> CVAT's XML 1.1 for images, see ``cvat``.

Import it as "CVAT 1.1" into a task of the same pictures whose labels are those of ``meta`` (CVAT
makes them from the label constructor's raw JSON, which is written beside).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from lib.datasets.formats.coco import category_entry
from lib.datasets.formats.cvat import BOX_LABEL, EXTRAS, FILE
from lib.datasets.formats.labels import Entry, LabelSet
from lib.structures.skeleton import Skeleton


def write(labels: LabelSet, out: Path, settings: Any = None) -> list[Path]:
    """Write the XML, and the labels for CVAT's constructor beside it."""
    if out.suffix.lower() != ".xml":
        out = out / FILE
    out.parent.mkdir(parents=True, exist_ok=True)
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    SubElement(task, "size").text = str(len(labels.images))
    _labels(SubElement(task, "labels"), labels)
    grouped = labels.people_of_images()
    kinds = {entry["id"]: entry["name"] for entry in labels.categories}
    source = "auto" if labels.predicted else "manual"
    for number, image in enumerate(labels.images):
        keys = {"id": str(number), "name": image["file_name"]}
        keys |= {key: str(image[key]) for key in ("width", "height")}
        element = SubElement(root, "image", keys)
        for place, person in enumerate(grouped[image["id"]], 1):
            label = kinds[person["category_id"]]
            _person(
                element, person, label, labels.skeleton, {"source": source, "group": str(place)}
            )
        _tag(element, image)
    indent(root)
    ElementTree(root).write(out, encoding="utf-8", xml_declaration=True)
    constructor = out.with_name(f"{out.stem}_labels.json")
    constructor.write_text(json.dumps(_constructor(labels), indent=1), encoding="utf-8")
    return [out, constructor]


def _labels(parent: Element, labels: LabelSet) -> None:
    joints = labels.skeleton.joints
    for entry in labels.categories:
        full = category_entry(entry, labels.skeleton)
        kept = {key: full[key] for key in ("flip_pairs", "sigmas") if key in full}
        own = {"efepose_id": str(entry["id"]), "efepose_skeleton": json.dumps(kept)}
        label = _label(parent, entry["name"], "skeleton", own)
        SubElement(label, "svg").text = _drawing(labels.skeleton)
        for joint in joints:
            SubElement(_label(parent, joint, "points"), "parent").text = entry["name"]
        _label(parent, entry["name"] + BOX_LABEL, "rectangle", dict.fromkeys(("id", *EXTRAS), ""))
    _label(parent, "efepose", "tag", dict.fromkeys(("id", "split", "sequence"), ""))


def _label(
    parent: Element, name: str, kind: str, attributes: dict[str, str] | None = None
) -> Element:
    label = SubElement(parent, "label")
    SubElement(label, "name").text = name
    SubElement(label, "type").text = kind
    node = SubElement(label, "attributes")
    for key, value in (attributes or {}).items():
        entry = SubElement(node, "attribute")
        for part, text in (("name", key), ("mutable", "True"), ("input_type", "text")):
            SubElement(entry, part).text = text
        SubElement(entry, "default_value").text = value
        SubElement(entry, "values").text = value
    return label


def _drawing(skeleton: Skeleton) -> str:
    """Return the drawing of a skeleton that CVAT's labels want: joints in rows, limbs as lines."""
    place = [(10 + 80 * (k % 8) / 7, 10 + 10 * (k // 8)) for k in range(skeleton.num_joints)]
    lines = "".join(
        f'<line x1="{place[a][0]:.1f}" y1="{place[a][1]:.1f}" x2="{place[b][0]:.1f}" '
        f'y2="{place[b][1]:.1f}" data-type="edge" data-node-from="{a + 1}" data-node-to="{b + 1}"/>'
        for a, b in skeleton.limbs
    )
    circles = "".join(
        f'<circle r="1.5" cx="{x:.1f}" cy="{y:.1f}" data-type="element node" '
        f'data-element-id="{k + 1}" data-node-id="{k + 1}" data-label-name="{joint}"/>'
        for k, ((x, y), joint) in enumerate(zip(place, skeleton.joints, strict=True))
    )
    return lines + circles


def _person(
    parent: Element, person: Entry, label: str, skeleton: Skeleton, keys: dict[str, str]
) -> None:
    x, y, width, height = person["bbox"]
    corners = {"xtl": x, "ytl": y, "xbr": x + width, "ybr": y + height}
    common = {"source": keys["source"], "occluded": "0", "z_order": "0", "group_id": keys["group"]}
    box = SubElement(parent, "box", {"label": label + BOX_LABEL, **common, **_texts(corners)})
    for key in ("id", *EXTRAS):
        if person.get(key) is not None and (key != "iscrowd" or person[key]):
            SubElement(box, "attribute", {"name": key}).text = str(person[key])
    if not person["num_keypoints"]:
        return
    pose = SubElement(parent, "skeleton", {"label": label, **common})
    for k, joint in enumerate(skeleton.joints):
        left, top, seen = person["keypoints"][3 * k : 3 * k + 3]
        marks = {"outside": str(int(seen == 0)), "occluded": str(int(seen == 1))}
        point = {"label": joint, "source": keys["source"], **marks}
        SubElement(pose, "points", {**point, "points": f"{left:.10g},{top:.10g}"})


def _texts(numbers: dict[str, float]) -> dict[str, str]:
    return {key: f"{number:.10g}" for key, number in numbers.items()}


def _tag(parent: Element, image: Entry) -> None:
    """Keep what CVAT has no place for in a tag of the picture."""
    tag = SubElement(parent, "tag", {"label": "efepose", "source": "manual"})
    for key in ("id", "split", "sequence"):
        if image.get(key) is not None and image.get(key) != "":
            SubElement(tag, "attribute", {"name": key}).text = str(image[key])


def _constructor(labels: LabelSet) -> list[Entry]:
    """Return the labels as CVAT's constructor takes them (Raw)."""
    found: list[Entry] = []
    joints = [
        {"name": joint, "type": "points", "attributes": []} for joint in labels.skeleton.joints
    ]
    for entry in labels.categories:
        drawing = _drawing(labels.skeleton)
        found.append(
            {"name": entry["name"], "type": "skeleton", "sublabels": joints, "svg": drawing}
        )
        attributes = [_attribute(key) for key in ("id", *EXTRAS)]
        box = {"name": entry["name"] + BOX_LABEL, "type": "rectangle", "attributes": attributes}
        found.append(box)
    tags = [_attribute(key) for key in ("id", "split", "sequence")]
    return [*found, {"name": "efepose", "type": "tag", "attributes": tags}]


def _attribute(name: str) -> Entry:
    return {
        "name": name,
        "mutable": True,
        "input_type": "text",
        "default_value": "",
        "values": [""],
    }
