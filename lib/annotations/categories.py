"""Which of a file's categories are people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.annotations.columns import Rows, require_rows
from lib.annotations.decisions import Decisions
from lib.utils.errors import DataError

PEOPLE = ("person", "people", "human", "pedestrian", "persons", "humans", "pedestrians")
NAMES_KEY = "keypoints"


@dataclass(frozen=True)
class PersonCategory:
    """The category of people, perhaps several with the same joints, pooled.

    Attributes:
        id: what result rows carry, as the file writes it.
        ids: of all that are people, as the file writes them.
        name: for messages.
        joints: the names of the joints, as listed by the category; empty if it lists none.
        entry: the first category's entry in the file; empty if the file has none.
    """

    id: Any
    ids: tuple[Any, ...]
    name: str
    joints: tuple[str, ...]
    entry: dict[str, Any]

    def has(self, value: Any) -> bool:
        """Return whether ``category_id`` ``value`` is a person here; ``"1"`` is 1."""
        return _key(value) in {_key(own) for own in self.ids}

    def positions(self, rows: Rows, *, pooled: bool) -> np.ndarray:
        """Return (N,) int32 positions in ``ids`` of the categories of annotations, 0 if pooled."""
        if pooled or len(self.ids) == 1:
            return np.zeros(len(rows), np.int32)
        places = {_key(own): place for place, own in enumerate(self.ids)}
        return np.array([places[_key(row["category_id"])] for row in rows], np.int32)


COCO_PERSON = PersonCategory(1, (1,), "person", (), {})


def choose_category(
    content: dict[str, Any], wanted: str, decisions: Decisions, *, pooled: bool = True
) -> tuple[PersonCategory, Rows]:
    """Return the category of people, and the annotations that are of it.

    Args:
        content: of the file.
        wanted: ``DATASET.CATEGORY``, a name or an id; several with commas; empty lets the file
            decide: the categories that list joints, else those whose annotations have some, else
            the one that is named like people, else the only one.
        decisions: of the file.
        pooled: several categories with the same joints are one; else each is scored alone.

    Raises:
        DataError: nothing decides, or several categories have different joints.
    """
    rows = content["annotations"]
    entries = _entries(content, rows, decisions)
    rows = _with_category(rows, entries, decisions)
    chosen = (
        _wanted(entries, wanted, decisions)
        if wanted
        else _candidates(entries, rows, decisions, pooled)
    )
    category = _pool(chosen, decisions, pooled)
    if len(chosen) == len(entries):
        return category, rows
    keys = {_key(own) for own in category.ids}
    people = [row for row in rows if _key(row["category_id"]) in keys]
    others = Counter(
        _key(row["category_id"]) for row in rows if _key(row["category_id"]) not in keys
    )
    if others:
        names = ", ".join(f"{entries[key]['name']}" for key in list(others)[:3])
        decisions.add(
            "category_id",
            f"{sum(others.values())} annotations of other categories ({names}) are not people "
            f"({category.name}); DATASET.CATEGORY chooses",
            usual=True,
        )
    return category, people


def _key(value: Any) -> Any:
    """Return one value for ids that mean the same: 1, 1.0 and "1"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _entries(
    content: dict[str, Any], rows: Rows, decisions: Decisions
) -> dict[Any, dict[str, Any]]:
    """Return the entries of ``categories`` by id; without any, those that annotations name."""
    given = content.get("categories")
    if given is None or given == []:
        ids = dict.fromkeys(
            _key(row["category_id"]) for row in rows if row.get("category_id") is not None
        )
        own = {
            _key(row["category_id"]): row["category_id"]
            for row in rows
            if row.get("category_id") is not None
        }
        return {key: {"id": own[key], "name": f"category {own[key]}"} for key in ids} or {
            "1": {"id": 1, "name": "person"}
        }
    require_rows(given, "categories", decisions.path)
    entries: dict[Any, dict[str, Any]] = {}
    for place, entry in enumerate(given):
        number = entry.get("id")
        if number is None and len(given) == 1:
            number = next(
                (row["category_id"] for row in rows if row.get("category_id") is not None), 1
            )
            decisions.add("categories", f"the only category has no id: it is {number}")
        if not isinstance(number, int | str | float) or isinstance(number, bool):
            raise DataError(
                f"{decisions.path}: category {place} needs an 'id', got {entry!r:.100}."
            )
        if _key(number) in entries:
            raise DataError(f"{decisions.path}: category id {number} occurs twice.")
        name = entry.get("name")
        entries[_key(number)] = {
            **entry,
            "id": number,
            "name": str(name) if name else f"category {number}",
            NAMES_KEY: _joint_names(entry, decisions),
        }
    return entries


def _joint_names(entry: dict[str, Any], decisions: Decisions) -> tuple[str, ...]:
    names = entry.get(NAMES_KEY)
    if names is None or names == []:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise DataError(
            f"{decisions.path}: 'keypoints' of category {entry.get('id')} must list the names of "
            f"the joints, got {names!r:.80}."
        )
    return tuple(map(str, names))


def _with_category(rows: Rows, entries: dict[Any, Any], decisions: Decisions) -> Rows:
    """Return the annotations, every one of a category that the file lists.

    Raises:
        DataError: one is not.
    """
    values = [row.get("category_id") for row in rows]
    if set(map(type, values)) <= {int} and {str(value) for value in set(values)} <= entries.keys():
        return rows
    listed = ", ".join(f"{e['id']} ({e['name']})" for e in list(entries.values())[:5])
    only = next(iter(entries.values())) if len(entries) == 1 else None
    lacking = []
    for place, value in enumerate(values):
        name = rows[place].get("id", place)
        if value is None and only is not None:
            lacking.append(name)
            values[place] = only["id"]
        elif isinstance(value, list | dict) or value is None or _key(value) not in entries:
            raise DataError(
                f"{decisions.path}: annotation {name} is of category {value!r:.40} "
                f"('category_id'), the file lists {listed}."
            )
    if lacking and only is not None:
        decisions.add(
            "category_id", f"{{n}} annotations have no category: they are {only['name']}", lacking
        )
    return [{**row, "category_id": value} for row, value in zip(rows, values, strict=True)]


def _wanted(entries: dict[Any, Any], wanted: str, decisions: Decisions) -> list[dict[str, Any]]:
    chosen = []
    for word in (part.strip() for part in wanted.split(",")):
        found = [e for key, e in entries.items() if key == word] or [
            e for e in entries.values() if e["name"].casefold() == word.casefold()
        ]
        if len(found) != 1:
            known = ", ".join(f"{entry['id']} ({entry['name']})" for entry in entries.values())
            raise DataError(
                f"{decisions.path}: DATASET.CATEGORY '{word}' is "
                f"{'no category' if not found else 'the name of several'}; it lists {known:.200}."
            )
        chosen += found
    return chosen


def _candidates(
    entries: dict[Any, Any], rows: Rows, decisions: Decisions, pooled: bool
) -> list[dict[str, Any]]:
    every = list(entries.values())
    if len(every) == 1:
        return every
    jointed = {_key(row["category_id"]) for row in rows if any_labelled(row.get("keypoints"))}
    named = [e for key, e in entries.items() if e.get(NAMES_KEY) or key in jointed]
    used = {_key(row["category_id"]) for row in rows}
    if len(named) > 1 and pooled:  # an empty duplicate, as labelling tools leave them, is nobody's
        named = [e for e in named if _key(e["id"]) in used] or named
    if named:
        return named
    people = [e for e in every if e["name"].casefold() in PEOPLE]
    if len(people) == 1:
        return people
    listed = ", ".join(f"{entry['id']} ({entry['name']})" for entry in every[:5])
    raise DataError(
        f"{decisions.path}: none of its categories, {listed}, lists 'keypoints' or is annotated "
        "with "
        "joints; set DATASET.CATEGORY to that of people."
    )


def any_labelled(value: Any) -> bool:
    """Return whether ``keypoints`` hold anything but zeros."""
    return isinstance(value, list) and any(value)


def _pool(chosen: Sequence[dict[str, Any]], decisions: Decisions, pooled: bool) -> PersonCategory:
    lists = {entry[NAMES_KEY] for entry in chosen if entry.get(NAMES_KEY)}
    names = ", ".join(entry["name"] for entry in chosen)
    if len(lists) > 1:
        raise DataError(
            f"{decisions.path}: the categories {names} have different joints; set DATASET.CATEGORY "
            "to the one to train on."
        )
    if len(chosen) > 1 and pooled:
        decisions.add(
            "categories",
            f"the categories {names} have the same joints and are pooled; DATASET.CATEGORY "
            "chooses one",
        )
    first = next((entry for entry in chosen if entry.get(NAMES_KEY)), chosen[0])
    return PersonCategory(
        id=chosen[0]["id"],
        ids=tuple(entry["id"] for entry in chosen),
        name=names,
        joints=lists.pop() if lists else (),
        entry=first,
    )
