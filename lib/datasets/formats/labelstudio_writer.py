"""Labelled or predicted pictures -> Label Studio's tasks, see ``labelstudio``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from lib.datasets.formats.coco import category_entry
from lib.datasets.formats.labels import Entry, LabelSet
from lib.datasets.formats.labelstudio import KEPT, OCCLUDED
from lib.structures.skeleton import Skeleton


def write(labels: LabelSet, out: Path, settings: Any = None) -> list[Path]:
    """Write tasks to import, and the labelling interface they need beside it.

    Predictions are written as such, to be corrected.
    """
    if out.suffix.lower() != ".json":
        out = out / "labelstudio.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    grouped, kinds = labels.people_of_images(), {e["id"]: e["name"] for e in labels.categories}
    tasks = []
    for image in labels.images:
        name = image["file_name"]
        data = {"image": f"/data/local-files/?d={name}", "file_name": name, "image_id": image["id"]}
        data |= {key: image[key] for key in KEPT if key in image}
        people = grouped[image["id"]]
        result = [r for p in people for r in _regions_of(p, image, kinds, labels.skeleton)]
        key = "predictions" if labels.predicted else "annotations"
        entry: Entry = {"result": result}
        if labels.predicted:
            scores = [person.get("score", 0.0) for person in people]
            entry |= {"model_version": "efepose", "score": sum(scores) / max(1, len(scores))}
        tasks.append({"data": data, key: [entry]})
    if tasks:
        entries = [category_entry(entry, labels.skeleton) for entry in labels.categories]
        tasks[0]["data"]["categories"] = entries
    out.write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
    config = out.with_name(f"{out.stem}_config.xml")
    config.write_text(_interface(labels), encoding="utf-8")
    return [out, config]


def _regions_of(
    person: Entry, image: Entry, kinds: dict[Any, str], skeleton: Skeleton
) -> Iterator[Entry]:
    size = (image["width"], image["height"])
    frame = {"original_width": size[0], "original_height": size[1], "image_rotation": 0}
    frame |= {"to_name": "image"}
    x, y, width, height = person["bbox"]
    own = str(person["id"])
    texts = [f"{k}={person[k]}" for k in ("area", "track_id") if person.get(k) is not None]
    texts += ["iscrowd=1"] if person["iscrowd"] else []
    value = _share({"x": x, "y": y, "width": width, "height": height}, size)
    value |= {"rotation": 0, "rectanglelabels": [kinds[person["category_id"]]]}
    yield {"id": own, "type": "rectanglelabels", "from_name": "person", "value": value, **frame} | {
        "meta": {"text": texts}
    }
    joints = [person["keypoints"][3 * k : 3 * k + 3] for k in range(skeleton.num_joints)]
    for k, (left, top, seen) in enumerate(joints):
        if not seen:
            continue
        value = _share({"x": left, "y": top}, size)
        value |= {"width": 0.5, "keypointlabels": [skeleton.joints[k]]}
        point = {"id": f"{own}-{k}", "parentID": own, "type": "keypointlabels", "value": value}
        point |= {"from_name": "joint", **frame}
        yield point | ({"meta": {"text": [OCCLUDED]}} if seen == 1 else {})


def _share(value: dict[str, float], size: tuple[int, int]) -> Entry:
    sides = {"x": size[0], "y": size[1], "width": size[0], "height": size[1]}
    return {key: 100 * number / sides[key] for key, number in value.items()}


def _interface(labels: LabelSet) -> str:
    kinds = "".join(f"    <Label value={quoteattr(e['name'])}/>\n" for e in labels.categories)
    joints = "".join(f"    <Label value={quoteattr(j)}/>\n" for j in labels.skeleton.joints)
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <RectangleLabels name="person" toName="image">\n{kinds}  </RectangleLabels>\n'
        f'  <KeyPointLabels name="joint" toName="image">\n{joints}  </KeyPointLabels>\n</View>\n'
    )
