import pytest

from lib.structures.pixels import Pixels


def test_default_is_imagenet_in_the_order_of_the_data_set():
    pixels = Pixels()
    assert pixels.mean == (0.485, 0.456, 0.406)
    assert pixels.std == (0.229, 0.224, 0.225)
    assert pixels.rgb is None


def test_the_trunks_order_goes_before_the_data_sets():
    assert Pixels().in_order(False).rgb is False
    assert Pixels(rgb=True).in_order(False).rgb is True
    assert Pixels((0.1, 0.2, 0.3), rgb=False).describe() == {
        "color_rgb": False,
        "mean": [0.1, 0.2, 0.3],
        "std": [0.229, 0.224, 0.225],
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mean": (0.5,)}, "three entries"),
        ({"std": (0.5, 0.5)}, "three entries"),
        ({"std": (0.5, 0.0, 0.5)}, "above 0"),
    ],
)
def test_impossible_numbers_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        Pixels(**values)
