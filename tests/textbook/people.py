"""COCO annotations of one image -> training target, one person and one joint at a time."""


def target(rows, width, height):
    """Annotation dictionaries -> (boxes xyxy, keypoints (x, y, v)) in continuous coordinates."""
    boxes, keypoints = [], []
    for row in rows:
        if row.get("iscrowd"):
            continue
        x, y, w, h = row["bbox"]
        x1, y1 = max(0, min(x, width)), max(0, min(y, height))
        x2, y2 = max(0, min(x + w, width)), max(0, min(y + h, height))
        if x2 <= x1 or y2 <= y1:
            continue
        joints = []
        for i in range(0, len(row["keypoints"]), 3):
            px, py, v = row["keypoints"][i : i + 3]
            px, py = px + 0.5, py + 0.5
            if v and 0 <= px <= width and 0 <= py <= height:
                joints.append((px, py, v))
            else:
                joints.append((0, 0, 0))
        boxes.append((x1, y1, x2, y2))
        keypoints.append(joints)
    return boxes, keypoints
