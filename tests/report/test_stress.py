"""The page of response curves."""

from dotted import SKELETON, VIEWS, model, read_dots

from lib.report.stress import stress_page
from lib.stress.curves import response_curve
from lib.stress.factors import FACTORS


def test_two_models_on_one_page():
    def half_blind(image, box):
        return read_dots(image, box, lower=False)

    curves = {
        name: [
            response_curve(n, FACTORS[n], VIEWS, model(find), SKELETON, resamples=5)
            for n in ("upper part covered", "size")
        ]
        for name, find in {"a<b.onnx": read_dots, "second": half_blind}.items()
    }
    page = stress_page(curves, {"people": "10"}, ["JPEG: left out"])
    assert "a&lt;b.onnx" in page
    assert "a<b" not in page
    assert page.count("<h2>") == 3
    assert "JPEG: left out" in page
    clean = curves["second"][0].points[0].numbers["PCK left_ankle"].value
    assert f"{clean:.3f}" in page
    assert "of clean, low" not in page
