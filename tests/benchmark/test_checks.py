"""Checks leave a row each, whatever becomes of them."""

from lib.benchmark.checks import Check, format_rows, run_checks


def broken():
    raise ValueError("two\nlines")


def test_a_failed_check_stops_no_other():
    kept = []
    checks = [
        Check("one", lambda: {"speed": 2.34567, "kind": "x"}),
        Check("two", broken),
        Check("three", dict),
    ]
    rows = run_checks(checks, budget_s=60, keep=lambda rows: kept.append(len(rows)))
    assert [row["outcome"] for row in rows] == ["passed", "failed", "passed"]
    assert rows[0]["figures"] == {"speed": 2.34567, "kind": "x"}
    assert rows[1]["reason"] == "ValueError: two\nlines"
    assert kept == [1, 2, 3]


def test_no_check_begins_when_the_time_is_over():
    runs = []
    rows = run_checks([Check("one", lambda: runs.append(1))], budget_s=0, keep=len)
    assert rows[0]["outcome"] == "left out"
    assert "0 s" in rows[0]["reason"]
    assert runs == []


def test_table():
    checks = [Check("long name", lambda: {"speed": 2.34567, "kind": "x"}), Check("b", broken)]
    lines = format_rows(run_checks(checks, budget_s=60, keep=len)).splitlines()
    assert lines[0].split() == ["check", "outcome", "seconds", "figures"]
    assert lines[1].endswith("speed 2.346, kind x")
    assert lines[2].endswith("ValueError: two lines")
    assert lines[0].index("outcome") == lines[1].index("passed") == lines[2].index("failed")
