"""AP and AR of poses by COCO's definition, which lib.evaluation must equal: person by person.

One loop over images, thresholds, found and annotated people, as the rules are explained; data set
and result rows are dictionaries of plain lists. An annotation says its area and box.
"""

import math

STEP = (0.95 - 0.5) / 9  # thresholds and recalls have the reference's digits
THRESHOLDS = [0.5 + STEP * n for n in range(10)]
RECALLS = [0.01 * n for n in range(101)]  # not n / 100: 7 / 20 is below the reference's 0.35
SIZES = {"all": (0.0, 1e10), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
MAX_PEOPLE = 20


def pose_numbers(dataset, rows, sigmas):
    """Return AP, AP .5, AP .75, AP (M), AP (L) and the same of AR; NaN where nobody is."""
    images = sorted(image["id"] for image in dataset["images"])
    found, truth = by_cell(rows), by_cell(dataset["annotations"])
    precision = {size: [[] for _ in THRESHOLDS] for size in SIZES}
    recall = {size: [[] for _ in THRESHOLDS] for size in SIZES}
    for category in sorted(category["id"] for category in dataset["categories"]):
        cells = [(found.get((i, category), []), truth.get((i, category), [])) for i in images]
        cells = [(best_first(people)[:MAX_PEOPLE], there) for people, there in cells]
        tables = [[[oks(f, t, sigmas) for t in there] for f in people] for people, there in cells]
        for size, limits in SIZES.items():
            for t, threshold in enumerate(THRESHOLDS):
                outcome = [
                    match_image(people, there, table, threshold, limits)
                    for (people, there), table in zip(cells, tables, strict=True)
                ]
                finds = [find for some, _ in outcome for find in some]
                wanted = sum(count for _, count in outcome)
                if wanted:
                    points, reached = precision_curve(finds, wanted)
                    precision[size][t] += points
                    recall[size][t].append(reached)
    return [number for table in (precision, recall) for number in five_means(table)]


def by_cell(entries):
    cells = {}
    for entry in entries:
        cells.setdefault((entry["image_id"], entry["category_id"]), []).append(entry)
    return cells


def best_first(people):
    return sorted(people, key=lambda person: -person["score"])


def oks(found, truth, sigmas):
    """Mean over the labelled joints; with none, of distances to twice the annotated box."""
    left, top, width, height = truth["bbox"]
    labelled = any(v > 0 for v in truth["keypoints"][2::3])
    terms = []
    for joint, sigma in enumerate(sigmas):
        x, y = found["keypoints"][3 * joint : 3 * joint + 2]
        true_x, true_y, visibility = truth["keypoints"][3 * joint : 3 * joint + 3]
        if labelled and visibility == 0:
            continue
        dx, dy = x - true_x, y - true_y
        if not labelled:
            dx = max(0.0, left - width - x) + max(0.0, x - (left + 2 * width))
            dy = max(0.0, top - height - y) + max(0.0, y - (top + 2 * height))
        spread = (2 * sigma) ** 2 * (truth["area"] + 2.220446049250313e-16)
        terms.append(math.exp(-(dx**2 + dy**2) / spread / 2))
    return sum(terms) / len(terms)


def match_image(people, there, table, threshold, limits):
    """Return a find (score, whether it hits) for each that counts, and how many are wanted."""
    low, high = limits
    ignored = [is_ignored(person) or not low <= person["area"] <= high for person in there]
    taken, finds = set(), []
    for n, person in enumerate(people):
        free = [m for m in range(len(there)) if m not in taken or there[m].get("iscrowd")]
        best = most_similar([m for m in free if not ignored[m]], table[n], threshold)
        if best is None:  # those who do not count come after those who do
            best = most_similar([m for m in free if ignored[m]], table[n], threshold)
        if best is not None:
            taken.add(best)
        if best is None and low <= found_area(person) <= high:
            finds.append((person["score"], False))
        elif best is not None and not ignored[best]:
            finds.append((person["score"], True))
    return finds, ignored.count(False)


def most_similar(candidates, similarities, threshold):
    """Return the candidate most similar, of equals the last; None if all are below."""
    best, least = None, min(threshold, 1 - 1e-10)
    for m in candidates:
        if similarities[m] >= least:
            best, least = m, similarities[m]
    return best


def is_ignored(person):
    return bool(person.get("iscrowd")) or not any(v > 0 for v in person["keypoints"][2::3])


def found_area(person):
    if "bbox" in person:
        return person["bbox"][2] * person["bbox"][3]
    xs, ys = person["keypoints"][0::3], person["keypoints"][1::3]
    return (max(xs) - min(xs)) * (max(ys) - min(ys))


def precision_curve(finds, wanted):
    """Return the 101 precisions, each the best at its recall or above, and the last recall."""
    hits, points = 0, []
    for n, (_, hit) in enumerate(sorted(finds, key=lambda find: -find[0]), 1):
        hits += hit
        points.append((hits / wanted, hits / n))
    for n in range(len(points) - 1, 0, -1):
        here, before = points[n], points[n - 1]
        points[n - 1] = (before[0], max(before[1], here[1]))
    curve, at = [], 0
    for recall in RECALLS:
        while at < len(points) and points[at][0] < recall:
            at += 1
        curve.append(points[at][1] if at < len(points) else 0.0)
    return curve, hits / wanted


def five_means(table):
    everything = table["all"]
    joined = {size: [value for row in table[size] for value in row] for size in SIZES}
    chosen = [joined["all"], everything[0], everything[5], joined["medium"], joined["large"]]
    return [sum(values) / len(values) if values else math.nan for values in chosen]
