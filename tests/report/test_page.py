import base64
import re

import cv2
import numpy as np

from lib.report import page


def test_text_is_escaped_everywhere():
    bad = "<script>alert('x')</script>"
    whole = page.render_page(
        bad,
        [
            page.section(bad, page.chips({bad: bad}), note=bad),
            page.tiles({bad: bad}),
            page.warning(bad),
            page.legend({"good": bad}),
            page.table([bad], []),
            page.picture(np.zeros((4, 5, 3), np.uint8), bad),
        ],
    )
    assert "<script" not in whole


def test_a_page_fits_phones_and_forbids_requests():
    whole = page.render_page("t", [])
    assert 'name="viewport"' in whole
    assert "prefers-color-scheme: dark" in whole
    assert "default-src 'none'" in whole
    assert not re.search(r"https?://|@import|url\(", whole)


def test_pictures_are_embedded():
    image = np.full((20, 30, 3), (10, 120, 230), np.uint8)
    figure = page.picture(image, "someone")
    data = base64.b64decode(re.search(r"base64,([^\"]+)", figure).group(1))
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (20, 30, 3)
    assert np.abs(decoded.astype(int) - image).max() < 8


def test_every_colour_has_a_light_and_a_dark_form():
    light, dark = (set(re.findall(r"--(\w+):", part)) for part in page.STYLE.split("@media")[:2])
    used = set(re.findall(r"var\(--(\w+)\)", page.STYLE))
    assert used <= light == dark
