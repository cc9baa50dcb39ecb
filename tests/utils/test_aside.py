from lib.utils.aside import set_aside


def test_what_was_there_is_numbered_and_the_rest_stays(tmp_path):
    assert set_aside(tmp_path, ["a.txt", "b"]) is None
    assert set_aside(tmp_path / "no folder", ["a.txt"]) is None
    (tmp_path / "stays.txt").write_text("mine")
    for number in (1, 2):
        (tmp_path / "a.txt").write_text(f"a{number}")
        (tmp_path / "b").mkdir()
        (tmp_path / "b/c.txt").write_text(f"c{number}")
        assert set_aside(tmp_path, ["a.txt", "b", "none"]) == tmp_path / f"earlier-{number}"
    for number in (1, 2):
        assert (tmp_path / f"earlier-{number}/a.txt").read_text() == f"a{number}"
        assert (tmp_path / f"earlier-{number}/b/c.txt").read_text() == f"c{number}"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "earlier-1",
        "earlier-2",
        "stays.txt",
    ]


def test_numbers_go_on_after_gaps_and_strange_names(tmp_path):
    (tmp_path / "earlier-7").mkdir()
    (tmp_path / "earlier-notes").mkdir()
    (tmp_path / "a.txt").write_text("")
    assert set_aside(tmp_path, ["a.txt"]) == tmp_path / "earlier-8"
