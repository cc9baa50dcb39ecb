"""A web server on this machine that misbehaves as asked."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """Files by path, and what happens to requests for them.

    Attributes:
        files: path -> bytes.
        asked: ``(path, Range header or None)`` of every request, in order.
        faults: path -> list of faults, one taken off by each request: a number is the bytes after
            which the connection is cut; ``(status, location)`` an answer; a function gets the
            handler and does everything itself.
        etag: of all files.
        ranges: whether parts are served.
    """

    def __init__(self):
        self.files, self.asked, self.faults = {}, [], {}
        self.etag, self.ranges = '"1"', True
        self.url = ""

    def address(self, path):
        return f"{self.url}/{path}"

    def answer(self, handler):
        path = handler.path.lstrip("/")
        wanted = handler.headers.get("Range")
        self.asked.append((path, wanted))
        faults = self.faults.get(path)
        fault = faults.pop(0) if faults else None
        if callable(fault):
            return fault(handler)
        if isinstance(fault, tuple):
            return self.refuse(handler, *fault)
        if path not in self.files:
            return self.refuse(handler, 404, None)
        return self.send(handler, self.files[path], wanted, fault)

    def refuse(self, handler, status, location):
        handler.send_response(status)
        if location:
            handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def send(self, handler, body, wanted, cut):
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if handler.headers.get("If-Range") not in (None, self.etag):
            start = 0
        if start >= len(body) > 0:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(body)}")
            handler.send_header("Content-Length", "0")
            return handler.end_headers()
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        handler.send_header("Content-Length", str(len(body) - start))
        handler.send_header("Content-Type", "application/octet-stream")
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.end_headers()
        end = len(body) if cut is None else start + cut
        handler.wfile.write(body[start:end])
        handler.close_connection = True
        return None


def slowly(body, pieces, pause):
    """Return a fault that sends ``body`` in pieces with pauses between them."""

    def fault(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        step = -(-len(body) // pieces)
        for start in range(0, len(body), step):
            handler.wfile.write(body[start : start + step])
            handler.wfile.flush()
            time.sleep(pause)

    return fault


def web_page(handler):
    """A fault: a page of text in the place of the file."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.end_headers()
    handler.wfile.write(b"<html>please log in</html>")
    handler.close_connection = True


@contextmanager
def serving():
    """Yield a running `Site`."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
