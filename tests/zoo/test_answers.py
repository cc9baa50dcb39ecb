"""Servers that answer in odd ways: the right file, or one sentence; never something else."""

import pytest

from lib.utils.errors import WeightsError
from lib.zoo.answers import quoted
from lib.zoo.fetch import fetch

BODY = bytes(range(251)) * 40


def answer(status=200, body=BODY, **headers):
    """Return a fault that sends just this."""

    def fault(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return fault


@pytest.mark.parametrize("length", ["many", "-5", ""])
def test_a_length_that_is_none_is_passed_over(site, home, length):
    site.faults["w.pth"] = [answer(Content_Length=length)]
    assert fetch(site.address("w.pth"), "w.pth").read_bytes() == BODY


@pytest.mark.parametrize(("first", "sent"), [(0, BODY), (400, BODY[400:])])
def test_more_than_was_asked_for_takes_its_place(site, home, first, sent):
    site.faults["w.pth"] = [
        answer(body=BODY[:1000], Content_Length=str(len(BODY))),
        answer(206, sent, Content_Range=f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"),
    ]
    assert fetch(site.address("w.pth"), "w.pth").read_bytes() == BODY


def test_a_gap_is_never_left(site, home):
    late = answer(206, BODY[2000:], Content_Range=f"bytes 2000-{len(BODY) - 1}/{len(BODY)}")
    site.faults["w.pth"] = [answer(body=BODY[:1000], Content_Length="5000")] + [late] * 20
    with pytest.raises(WeightsError, match="bytes from 2000 on, 1000 was wanted"):
        fetch(site.address("w.pth"), "w.pth")


@pytest.mark.parametrize("status", [200, 204])
def test_nothing_is_no_file(site, home, status):
    site.faults["w.pth"] = [answer(status, b"", Content_Length="0")] * 20
    with pytest.raises(WeightsError, match="empty file"):
        fetch(site.address("w.pth"), "w.pth")
    assert not (home / "w.pth").exists()


@pytest.mark.parametrize("kind", ["text/html", "application/json; charset=utf-8", "text/xml"])
def test_a_page_is_no_file(site, home, kind):
    site.faults["w.pth"] = [answer(body=b"please log in", Content_Type=kind)] * 20
    with pytest.raises(WeightsError, match="web page"):
        fetch(site.address("w.pth"), "w.pth")


@pytest.mark.parametrize("leads", ["http://[::1/w.pth", "http://127.0.0.1:port/w.pth"])
def test_a_redirection_to_no_address_is_named(site, home, leads):
    site.faults["w.pth"] = [(302, leads)]
    with pytest.raises(WeightsError, match=r"w\.pth is not an address, or leads to none"):
        fetch(site.address("w.pth"), "w.pth")
    assert len(site.asked) == 1


def test_what_is_quoted_already_stays():
    address = "https://host/a%20b/w.pth?download=1&name=x%2By"
    assert quoted(address) == address
    assert quoted("https://host/a b.pth#sha256=12") == "https://host/a%20b.pth"
