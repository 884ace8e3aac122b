"""Downloads from a server on this machine that breaks off, lies, is busy or is not there."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from prunescope.data import fetch as fetching
from prunescope.data.fetch import ATTEMPTS, fetch, locked
from prunescope.errors import UserError
from prunescope.files.meter import Meter

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content``; ``asked`` are the Range headers of the requests so far."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.asked: list[str | None] = []
        #: Answers to give before anything is served: a status, or how many bytes to send before breaking off.
        self.troubles: list[tuple[str, int]] = []
        self.ranges = True
        self.announces = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        kind, value = server.troubles.pop(0) if server.troubles else ("", 0)
        if kind == "status":
            self.send_response(value)
            if value == 429:
                self.send_header("Retry-After", "7")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        rest = server.content[start:]
        if asked and server.ranges and not rest:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.end_headers()
            return
        self.send_response(206 if asked and server.ranges else 200)
        if asked and server.ranges:
            last = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(server.content)}")
        if server.announces:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[:value] if kind == "break" else rest)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def left(tmp_path: Path) -> list[str]:
    """What is in the cache but locks."""
    folder = tmp_path / "cache" / "downloads"
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    path = fetch("file", [server.url], SHA256)
    assert path.read_bytes() == CONTENT
    assert fetch("file", [server.url], SHA256) == path
    assert server.asked == [None]
    # Damaged since: fetched again.
    path.write_bytes(CONTENT[:-1])
    assert fetch("file", [server.url], SHA256).read_bytes() == CONTENT
    assert left(tmp_path) == [path.name]


def test_an_interrupted_download_goes_on(server: Server) -> None:
    server.troubles = [("break", 300_000), ("break", 400_000)]
    waits: list[float] = []
    assert fetch("file", [server.url], SHA256, sleep=waits.append).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=700000-"]
    # Each attempt got further, so the wait does not grow.
    assert waits == [1.0, 1.0]


def test_a_later_run_goes_on_where_the_last_one_stopped(server: Server, tmp_path: Path) -> None:
    server.troubles = [("break", 1000)] + [("break", 0)] * ATTEMPTS
    waits: list[float] = []
    with pytest.raises(
        UserError, match=r"file: cannot be fetched .*broke off after 1,000 of 1,024,000"
    ) as error:
        fetch("file", [server.url], SHA256, sleep=waits.append)
    assert "\n" not in str(error.value)
    assert waits == [1.0, 2.0, 4.0]
    assert left(tmp_path) == [f"{SHA256[:12]}-file.part"]
    server.troubles, server.asked = [], []
    assert fetch("file", [server.url], SHA256).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_server_without_ranges_starts_over(server: Server) -> None:
    server.ranges = False
    server.troubles = [("break", 5000)]
    assert fetch("file", [server.url], SHA256, sleep=lambda _: None).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=5000-"]


def test_no_length_and_no_ranges(server: Server) -> None:
    server.announces = False
    assert fetch("file", [server.url], SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("rest", [CONTENT, CONTENT[:500], b"other" * 100, CONTENT + b"more"])
def test_what_an_earlier_download_left(server: Server, tmp_path: Path, rest: bytes) -> None:
    """Whole, a true part, another file's, and too long."""
    folder = tmp_path / "cache" / "downloads"
    folder.mkdir(parents=True)
    (folder / f"{SHA256[:12]}-file.part").write_bytes(rest)
    assert fetch("file", [server.url], SHA256, sleep=lambda _: None).read_bytes() == CONTENT
    assert left(tmp_path) == [f"{SHA256[:12]}-file"]


def test_a_busy_server_is_asked_again(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.troubles = [("status", 503), ("status", 500), ("status", 429)]
    waits: list[float] = []
    assert fetch("file", [server.url], SHA256, sleep=waits.append).read_bytes() == CONTENT
    # Doubled each time, but as long as a server asks for.
    assert waits == [1.0, 2.0, 7.0]
    assert "file: HTTP 503 Service Unavailable; again in 1 s" in capsys.readouterr().err


def test_a_server_that_stays_busy(server: Server, tmp_path: Path) -> None:
    server.troubles = [("status", 503)] * ATTEMPTS
    with pytest.raises(UserError, match=r"HTTP 503 .*fetch it elsewhere and set `path`"):
        fetch("file", [server.url], SHA256, sleep=lambda _: None)
    assert left(tmp_path) == []


def test_the_next_address_is_asked(server: Server) -> None:
    server.troubles = [("status", 404)]
    assert fetch("file", [server.url, server.url], SHA256).read_bytes() == CONTENT
    # Not found stays not found: no second attempt at the first address.
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"something else", f"SHA-256 [0-9a-f]{{64}}, not {SHA256}"), (b"  <html>sign in</html>", "a web page")],
)
def test_a_wrong_checksum(server: Server, tmp_path: Path, content: bytes, said: str) -> None:
    server.content = content
    with pytest.raises(UserError, match=said) as error:
        fetch("file", [server.url], SHA256)
    assert "the file was removed" in str(error.value)
    assert "\n" not in str(error.value)
    assert left(tmp_path) == []
    assert len(server.asked) == 1


@pytest.mark.parametrize("announces", [True, False])
def test_a_file_that_is_too_long(server: Server, tmp_path: Path, announces: bool) -> None:
    server.announces = announces
    with pytest.raises(UserError, match="more than the 1,000"):
        fetch("file", [server.url], SHA256, most_bytes=1000)
    assert left(tmp_path) == []


def test_no_network(server: Server, tmp_path: Path) -> None:
    url = server.url
    server.shutdown()
    server.server_close()
    waits: list[float] = []
    with pytest.raises(UserError, match=r"no connection \(.*check the network"):
        fetch("file", [url], SHA256, sleep=waits.append)
    assert waits == [1.0, 2.0, 4.0]
    assert left(tmp_path) == []


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="set PRUNESCOPE_CACHE to another folder"):
        fetch("file", ["http://127.0.0.1:9/"], SHA256)


def test_two_jobs_fetch_it_once(server: Server) -> None:
    server.troubles = [("break", 200_000)]
    waiting = threading.Event()
    paths: list[Path] = []

    def job() -> None:
        paths.append(fetch("file", [server.url], SHA256, sleep=lambda _: None))

    with locked(fetching.cache_folder() / "downloads" / f"{SHA256[:12]}-file"):
        threads = [threading.Thread(target=job) for _ in range(3)]
        for thread in threads:
            thread.start()
        # As long as the lock is held, nobody asks the server.
        waiting.wait(0.2)
        assert server.asked == []
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1
    assert len(paths) == 3
    assert server.asked == [None, "bytes=200000-"]


def test_progress() -> None:
    out, now = io.StringIO(), [0.0]
    with Meter("file", 100_000_000, 20_000_000, out, lambda: now[0]) as meter:
        now[0] = 1.0
        meter.add(10_000_000)
        assert out.getvalue() == ""
        now[0] = 20.0
        meter.add(30_000_000)
    # 40 of 80 MB in 20 s; what was there before is no speed.
    assert out.getvalue() == "file: 60.0 of 100.0 MB (60%), 2.0 MB/s, 20 s left\n"
    assert Meter("file", None, 0, out, lambda: 0.0).line(2.0) == "file: 0.0 MB, 0.0 MB/s"
    assert Meter("f", 10**9, 0, out, lambda: 0.0).line(1.0) == "f: 0.0 of 1000.0 MB (0%), 0.0 MB/s"
