from lib.sweep.samplers import Trial
from lib.sweep.store import Run, Store
from lib.sweep.table import aligned, rows_of, spread, text_of


def test_the_best_comes_first_and_failures_last(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    for number in range(4):
        store.add(lambda n, _: Trial(n, {"TRAIN.LR": f"0.{n}", "A": "x"}), number + 1, [1, 2])
    for run in (Run(0, 1, 0.5), Run(0, 2, 0.5), Run(1, 1, None, "too hot"), Run(2, 1, 0.7)):
        store.note(run)
    store.note(Run(2, 2, 0.9))
    rows = rows_of(store, [1, 2])
    assert [(row["trial"], row["score"]) for row in rows] == [
        (2, 0.8), (0, 0.5), (1, None), (3, None)
    ]  # fmt: skip
    lines = [line.split() for line in text_of(rows).splitlines()]
    assert lines == [
        ["trial", "TRAIN.LR", "A", "score", "seeds"],
        ["2", "0.2", "x", "0.8000", "+-", "0.1414", "2"],
        ["0", "0.0", "x", "0.5000", "+-", "0.0000", "2"],
        ["1", "0.1", "x", "-", "0", "seed", "1:", "too", "hot"],
        ["3", "0.3", "x", "-", "0", "not", "finished"],
    ]


def test_columns_are_as_wide_as_they_must_be():
    assert aligned([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc  d"
    assert text_of([]).split() == ["trial", "score", "seeds"]


def test_one_value_has_no_deviation():
    assert spread([1.0]) == "1.00"
