from lib.datasets.stages import PartStages, Stages


def test_the_epoch_chooses():
    stages = Stages("a", ((3, "b"), (7, "c")))
    assert [stages.at(epoch) for epoch in (0, 2, 3, 6, 7, 99)] == list("aabbcc")


def test_rows_choose_the_part():
    parts = PartStages.of([Stages("a"), Stages("x", ((2, "y"),)), Stages("z")], [3, 1, 4])
    assert "".join(parts.at(0, row) for row in range(8)) == "aaaxzzzz"
    assert "".join(parts.at(2, row) for row in range(8)) == "aaayzzzz"
