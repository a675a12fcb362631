"""A real server on this machine that sends one file, and stops in the middle where it is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

PATIENCE_S = 20
BODY = os.urandom(600_000)


@dataclass
class FileServer:
    """What it does, and what it was asked."""

    body: bytes = BODY
    status: int = 200
    goes_on: Event = field(default_factory=Event)
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    server_of_file: FileServer

    def do_GET(self) -> None:
        told = self.server_of_file
        told.asked.append(self.headers["Range"])
        if told.status != 200:
            self.send_error(told.status)
            return
        start = int((self.headers["Range"] or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(told.body) - start))
        if start:
            last = len(told.body) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(told.body)}")
        self.end_headers()
        self._send(told, start)

    def _send(self, told: FileServer, start: int) -> None:
        middle = max(start, len(told.body) // 2)
        try:
            self.wfile.write(told.body[start:middle])
            self.wfile.flush()
            told.goes_on.wait(PATIENCE_S)
            self.wfile.write(told.body[middle:])
        except ConnectionError:
            pass  # whoever asked has cancelled

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[FileServer]:
    told = FileServer()
    told.goes_on.set()
    kind = type("OneHandler", (_Handler,), {"server_of_file": told})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        told.url = f"http://127.0.0.1:{running.server_port}/file"
        try:
            yield told
        finally:
            told.goes_on.set()
            running.shutdown()
            thread.join()
