"""What is known of every experiment, on one page: ``experiments/README.md``.

Scores that were reached with this code stand in ``experiments/runs.json``, a list of tables that
``lib.report.runs`` writes: ``experiment`` (below ``experiments/``, without ``.yaml``), ``metric``,
``value`` (mean over seeds) and ``interval`` (two numbers), ``dataset``, ``boxes``, ``seeds``,
``data`` (SHA-256 of the training annotations) and ``weights`` (SHA-256, one per seed). What the
papers claim and what came of it here is told in ``experiments/claims.md``, which the page repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.report.costs import summarise
from lib.report.runs import read_runs
from lib.utils.errors import WeightsError
from lib.zoo.index import load_index

HEAD = """# Experiments

Written by `python tools/analyse/ledger.py`; do not edit. *Params* in millions. *Cost* is what the
family's published tables call GFLOPs, by the convention beside it. *Published* is the publisher's
score of the zoo file, with the source of its boxes; nobody here has checked it. *Reached* is what
this code scored where runs exist (`runs.json`): the mean over seeds and its 95 % interval (by
Student's t; it holds what other seeds do, not what other pictures would). Of one seed alone it is
a bootstrap over pictures, which tells nothing of other seeds: do not rank by it.
"""
COLUMNS = ("experiment", "params", "cost", "convention", "published", "zoo", "reached")
Cost = Callable[[Path], Mapping[str, Any]]


def ledger(root: Path, cost: Cost = summarise) -> str:
    """Return the page of all experiments below ``root``, folder by folder.

    Args:
        root: the folder ``experiments``.
        cost: gives ``params``, ``table`` and ``convention`` of a YAML file.

    Raises:
        DataError: ``runs.json`` has another form, or names an experiment that is not there.
    """
    runs = read_runs(root)
    claims = root / "claims.md"
    parts = [HEAD, *([claims.read_text(encoding="utf-8")] if claims.is_file() else [])]
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name.startswith("_"):
            continue
        rows = [_row(root, file, cost, runs) for file in sorted(folder.rglob("*.yaml"))]
        rule = " | ".join("---" for _ in COLUMNS)
        parts.append(f"## {folder.name}\n\n| {' | '.join(COLUMNS)} |\n| {rule} |")
        parts[-1] += "".join(f"\n| {' | '.join(row)} |" for row in rows) + "\n"
    return "\n".join(parts)


def _row(
    root: Path, file: Path, cost: Cost, runs: Mapping[str, list[dict[str, Any]]]
) -> tuple[str, ...]:
    name = file.relative_to(root).with_suffix("").as_posix()
    figures = cost(file)
    params, table = f"{figures['params'] / 1e6:.2f}", f"{figures['table']:.2f}"
    below = name.partition("/")[2]
    score, zoo = _published(name)
    reached = "<br>".join(_reached(runs.get(name, ())))
    return f"`{below}`", params, table, figures["convention"], score, zoo, reached


def _published(name: str) -> tuple[str, str]:
    """Return the published score and the name of its weights; empty where there are none."""
    try:
        entry = load_index().of_experiment(name)
    except WeightsError:
        return "", ""
    return entry.headline(), f"`{entry.name}`"


def _reached(runs: Any) -> Iterator[str]:
    for run in runs:
        low, high = run["interval"]
        yield (
            f"{run['metric']} {run['value']:.3f} ({low:.3f} to {high:.3f}) on {run['dataset']}, "
            f"boxes: {run['boxes']}, seeds {', '.join(map(str, run['seeds']))}, "
            f"data {_short(run['data'])}, weights {_short(run['weights'])}"
        )


def _short(hashes: list[str]) -> str:
    return " ".join(one[:12] for one in hashes)
