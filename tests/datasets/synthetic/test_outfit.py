import numpy as np
import pytest

from lib.datasets.synthetic.outfit import TILE, draw_colour, draw_limb_colours, pick, sample_outfit


def test_people_are_dressed_in_many_ways():
    rng = np.random.default_rng(5)
    outfits = [sample_outfit(rng, (10, 200, 30)) for _ in range(150)]
    assert {outfit.hair_style for outfit in outfits} == {"bald", "short", "bob", "long", "tail"}
    for flag in ("hat", "bag", "print_colour"):
        worn = sum(getattr(outfit, flag) is not None for outfit in outfits)
        assert 0 < worn < 150
    tiles = [outfit.top.tile for outfit in outfits if outfit.top.tile is not None]
    assert 60 < len(tiles) < 150
    for tile in tiles:
        assert tile.shape == (TILE, TILE, 3)
        assert tile.dtype == np.uint8
    for outfit in outfits:
        assert all(0 <= value <= 255 for value in (*outfit.skin, *outfit.top.colour))


def test_some_shirts_have_the_colour_of_the_backdrop():
    rng = np.random.default_rng(6)
    near = [
        np.abs(np.subtract(sample_outfit(rng, (10, 200, 30)).top.colour, (10, 200, 30))).max() < 60
        for _ in range(200)
    ]
    assert 5 < sum(near) < 60


def test_pick_follows_its_weights():
    rng = np.random.default_rng(7)
    drawn = [pick(rng, "abc", (0.6, 0.0, 0.4)) for _ in range(1000)]
    assert drawn.count("b") == 0
    assert drawn.count("a") == pytest.approx(600, abs=60)


def test_colours_keep_to_their_ranges():
    rng = np.random.default_rng(8)
    for _ in range(50):
        colour = draw_colour(rng, (0.0, 0.1), (0.5, 0.6))
        assert min(colour) >= 110
        assert max(colour) <= 154
    skin, cloth = draw_limb_colours(rng)
    assert len(skin) == len(cloth) == 3
