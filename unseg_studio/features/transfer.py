"""A file from the network: what has come stays when the line breaks, and is gone on from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

CHUNK = 256 * 1024
"""Bytes between two looks at whether the transfer was cancelled, at most."""

TIMEOUT = 20
"""Seconds without a byte after which the line counts as broken."""

UNSATISFIABLE = 416
"""What a server answers where the part is as long as the file, or longer."""

Progress = Callable[[int, int], None]


def fetch(url: str, target: Path, *, progress: Progress, cancelled: Callable[[], bool]) -> bool:
    """Bring a file, going on where an earlier try ended; `target` appears only when it is whole.

    Parameters
    ----------
    url : str
        http or https. Where the server tells size and SHA-256, they are checked.
    target : Path
        What has come lies beside it, with the suffix ".part".
    progress : callable
        Told how many bytes there are, and how many there will be (0: unknown).
    cancelled : callable
        Asked often; the transfer ends where it answers True.

    Returns
    -------
    bool
        False if it was cancelled.

    Raises
    ------
    OSError
        With what stopped it, as part of a sentence.
    """
    if cancelled():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        is_whole = _received(url, part, progress=progress, cancelled=cancelled)
    except HTTPError as error:
        error.close()
        raise OSError(f"the server answered {error.code} {error.reason}") from error
    except URLError as error:
        raise OSError(f"the server cannot be reached ({error.reason})") from error
    except HTTPException as error:
        raise OSError(f"the line broke ({type(error).__name__})") from error
    if is_whole:
        part.replace(target)
    return is_whole


def _received(url: str, part: Path, *, progress: Progress, cancelled: Callable[[], bool]) -> bool:
    """Whether the part is now the whole file."""
    there = part.stat().st_size if part.exists() else 0
    try:
        answer = _asked(url, there)
    except HTTPError as error:
        if error.code != UNSATISFIABLE or not there:
            raise
        error.close()
        part.unlink()
        answer = _asked(url, 0)
    with answer.response, part.open("ab" if answer.start else "wb") as out:
        for done in _written(answer, out):
            progress(done, answer.total)
            if cancelled():
                return False
    _check(answer, part)
    return True


@dataclass(frozen=True)
class _Answer:
    response: HTTPResponse

    start: int
    """Where in the file it begins."""

    total: int
    """Bytes of the whole file; 0 where nobody says."""

    sha256: str
    """Of the whole file; empty where nobody says."""


class _Redirects(HTTPRedirectHandler):
    """Keeps what each server on the way said: hubs tell size and digest, then send us on."""

    def __init__(self) -> None:
        self.said: list[HTTPMessage] = []

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        self.said.append(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _asked(url: str, start: int) -> _Answer:
    redirects = _Redirects()
    headers = {"User-Agent": "unseg-studio", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    response = build_opener(redirects).open(Request(url, headers=headers), timeout=TIMEOUT)
    said = [*redirects.said, response.headers]
    ranged = re.match(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    if ranged:
        return _Answer(response, int(ranged[1]), int(ranged[2]), _digest(said))
    return _Answer(response, 0, _size(said), _digest(said))


def _size(said: list[HTTPMessage]) -> int:
    told = (headers.get("X-Linked-Size") for headers in said)
    return int(next(filter(None, told), said[-1].get("Content-Length", "0")))


def _digest(said: list[HTTPMessage]) -> str:
    tags = (headers.get(name, "") for headers in said for name in ("X-Linked-Etag", "ETag"))
    found = (re.fullmatch(r'"?([0-9a-f]{64})"?', tag) for tag in tags)
    return next((match[1] for match in found if match), "")


def _written(answer: _Answer, out: IO[bytes]) -> Iterator[int]:
    """How many bytes there are, first before any came and then after each chunk."""
    done = answer.start
    yield done
    while chunk := answer.response.read1(CHUNK):
        out.write(chunk)
        done += len(chunk)
        yield done


def _check(answer: _Answer, part: Path) -> None:
    """Keep what is too short, for it can be gone on from, and nothing else that is wrong."""
    size = part.stat().st_size
    if size < answer.total:
        raise OSError(f"the line broke after {size} of {answer.total} bytes")
    if (answer.total and size > answer.total) or not _matches(part, answer.sha256):
        part.unlink()
        raise OSError("what came is not what the server announced, and was removed")


def _matches(path: Path, sha256: str) -> bool:
    if not sha256:
        return True
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == sha256
