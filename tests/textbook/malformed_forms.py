"""Files of other labelling tools, sound ones and damaged, drawn by a seed."""

import copy
import json

import cv2
import numpy as np
from textbook.malformed import VALUES

SIZE = (64, 48)
YAML = ["path", "train", "val", "names", "kpt_shape", "flip_idx", "kpt_names"]
WORDS = ["nan", "inf", "-1", "", "x", "1e400", "0x1", "2", "7", "-0", "0.5 0.5", "\x00", "1,5"]


def yolo_folder(folder, rng):
    """Write two pictures, their labels and ``data.yaml``, one to three things of them damaged."""
    lines = [_yolo_line(rng) for _ in range(3)]
    said = {"path": ".", "train": "images", "val": "images", "names": ["cat"]}
    said |= {"kpt_shape": [3, 3], "flip_idx": [0, 2, 1], "kpt_names": {0: ["a", "l_b", "r_b"]}}
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.5:
            key = rng.choice(YAML).item()
            said[key] = copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])
            if rng.random() < 0.3:
                del said[key]
        else:
            place = int(rng.integers(len(lines)))
            words = lines[place].split(" ")
            words[int(rng.integers(len(words)))] = rng.choice(WORDS).item()
            lines[place] = " ".join(words[: None if rng.random() < 0.8 else int(rng.integers(9))])
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for n in range(2):
        cv2.imwrite(str(folder / f"images/{n}.png"), np.zeros((SIZE[1], SIZE[0]), np.uint8))
    text = "\n".join(lines).encode()
    (folder / "labels/0.txt").write_bytes(text if rng.random() < 0.9 else text + b"\xff\xfe\x80")
    (folder / "data.yaml").write_bytes(_cut(json.dumps(said).encode(), rng))
    return folder


def _yolo_line(rng):
    numbers = rng.uniform(0.2, 0.8, 4).round(4).tolist()
    for _ in range(3):
        numbers += [*rng.uniform(0, 1, 2).round(4).tolist(), int(rng.integers(0, 3))]
    return " ".join(map(str, [0, *numbers]))


def labelstudio_file(folder, rng):
    """Write an export of two tasks, one to three values of it damaged."""
    tasks = [_task(n, rng) for n in range(2)]
    for _ in range(int(rng.integers(1, 4))):
        _damage_somewhere(tasks, rng)
    folder.mkdir(parents=True)
    for n in range(2):
        cv2.imwrite(str(folder / f"{n}.png"), np.zeros((SIZE[1], SIZE[0]), np.uint8))
    (folder / "export.json").write_bytes(_cut(json.dumps(tasks).encode(), rng))
    return folder / "export.json"


def _task(number, rng):
    frame = {"original_width": SIZE[0], "original_height": SIZE[1], "image_rotation": 0}
    box = {"x": 10, "y": 10, "width": 60, "height": 70, "rectanglelabels": ["cat"]}
    result = [{"id": "b", "type": "rectanglelabels", "value": box, **frame}]
    for name in ("a", "l_b", "r_b"):
        x, y = rng.uniform(12, 60, 2).round(3).tolist()
        value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [name]}
        region = {"id": f"p{name}", "type": "keypointlabels", "value": value, **frame}
        result.append(region | ({"parentID": "b"} if rng.random() < 0.5 else {}))
    result.append({"type": "relation", "from_id": "b", "to_id": "pa"})
    data = {"image": f"/data/upload/{number}.png"}
    return {"id": number + 1, "data": data, "annotations": [{"id": 9, "result": result}]}


def cvat_file(folder, rng):
    """Write an XML of two pictures, one to three of its attributes damaged."""
    joints = "".join(
        f'<points label="{name}" outside="0" occluded="0" points="{x:.2f},{y:.2f}"/>'
        for name, (x, y) in zip(("a", "l_b", "r_b"), rng.uniform(1, 40, (3, 2)), strict=True)
    )
    box = '<box label="cat" xtl="1" ytl="2" xbr="41" ybr="42" group_id="1"/>'
    pose = f'<skeleton label="cat" group_id="1">{joints}</skeleton>'
    size = f'width="{SIZE[0]}" height="{SIZE[1]}"'
    images = "".join(f'<image id="{n}" name="{n}.png" {size}>{box}{pose}</image>' for n in range(2))
    text = f"<annotations><version>1.1</version><meta/>{images}</annotations>"
    for _ in range(int(rng.integers(1, 4))):
        text = _damage_attribute(text, rng)
    folder.mkdir(parents=True)
    for n in range(2):
        cv2.imwrite(str(folder / f"{n}.png"), np.zeros((SIZE[1], SIZE[0]), np.uint8))
    (folder / "annotations.xml").write_bytes(_cut(text.encode(), rng))
    return folder / "annotations.xml"


def _damage_attribute(text, rng):
    parts = text.split('"')
    place = 2 * int(rng.integers(len(parts) // 2)) + 1
    if place < len(parts):
        parts[place] = rng.choice([word for word in WORDS if word != "\x00"]).item()
    return '"'.join(parts)


def _damage_somewhere(tree, rng):
    """Replace or drop one value of a tree of lists and dictionaries, in place."""
    node, parent, key = tree, None, None
    while isinstance(node, list | dict) and node and (parent is None or rng.random() < 0.85):
        parent = node
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[int(rng.integers(len(keys)))]
        node = node[key]
    if parent is None:  # nothing is left
        return
    if rng.random() < 0.3:
        del parent[key]
    else:
        parent[key] = copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])


def _cut(data, rng):
    return data if rng.random() < 0.96 else data[: int(rng.integers(len(data)))]
