"""Files that rows name: wherever they lie, whatever is wrong with them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from moto.server import ThreadedMotoServer

from tap_qonto.api.errors import UnusableFileError
from tap_qonto.connection import Connection
from tap_qonto.machine import Machine
from tap_qonto.writing.files import MEGABYTE, Files, called
from tests.kit.cases import some
from tests.writing.office import JPEG, PDF, PNG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

fsspec: Any = import_module("fsspec")  # which has no types
s3fs: Any = import_module("s3fs")

LARGEST = 10 * MEGABYTE

Put = Callable[[str, bytes], str]
"""Puts a file somewhere; returns how a row names it."""


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        s3fs.S3FileSystem().mkdir("inbox")
        yield "s3://inbox"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@contextmanager
def web() -> Iterator[Put]:
    """Serve files on this machine."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def put(name: str, content: bytes) -> str:
        files[f"/{name}?signature=x"] = content
        return f"http://127.0.0.1:{server.server_port}/{name}?signature=x"

    try:
        yield put
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def files() -> Iterator[Files]:
    connection = Connection(
        {"environment": "production", "access_token": "t", "concurrency": 2, "request_timeout": 20,
         "rate_limit_share": 1, "attachments_max_bytes": 1}, Machine(tries=1), "target-qonto",
    )  # fmt: skip
    yield Files(lambda: connection.files)
    connection.close()


PLACES = ["folder", "file URL", "web", "S3", "another of fsspec"]


@pytest.fixture(params=some(PLACES, "folder", "file URL", "web", "another of fsspec"))
def put(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Put]:
    """One of the places that files may be in."""

    def in_folder(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    def by_fsspec(root: str) -> Put:
        def at(name: str, content: bytes) -> str:
            with fsspec.open(f"{root}/{name}", "wb") as file:
                file.write(content)
            return f"{root}/{name}"

        return at

    match request.param:
        case "folder":
            yield in_folder
        case "file URL":
            yield lambda name, content: f"file://{in_folder(name, content)}"
        case "web":
            with web() as put:
                yield put
        case "S3":
            yield by_fsspec(request.getfixturevalue("bucket"))
        case _:
            yield by_fsspec("memory://inbox")


CONTENTS = {"a.pdf": PDF, "b.png": PNG, "c.jpeg": JPEG, "d": PDF + b"x" * 3_000_000}


def test_a_file_is_the_same_wherever_it_lies(put: Put, files: Files) -> None:
    for name, content in CONTENTS.items():
        path = put(name, content)
        seen = files.see(path, largest=LARGEST)
        read = files.read(path, largest=LARGEST)
        assert (seen.name, seen.size, read.data) == (name, len(content), content)
        assert seen.digest == read.digest
        assert files.see(path, largest=LARGEST, name="other").name == "other"


WRONG = {
    "empty": ("a.pdf", b"", "is empty"),
    "no document": ("a.pdf", b"hello", "is neither PDF, PNG nor JPEG"),
    "mislabelled": ("a.pdf", PNG, "is called .pdf, and its content is image/png"),
    "too large": ("a.pdf", PDF + bytes(LARGEST), "is larger than 10 MB"),
}


@pytest.mark.parametrize(("name", "content", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_file_is_said_wherever_it_lies(
    name: str, content: bytes, sentence: str, put: Put, files: Files
) -> None:
    with pytest.raises(UnusableFileError, match=f"its file {sentence}"):
        files.see(put(name, content), largest=LARGEST)


def test_a_file_of_just_the_largest_size_is_taken(put: Put, files: Files) -> None:
    content = PDF + bytes(LARGEST - len(PDF))
    assert files.see(put("a.pdf", content), largest=LARGEST).size == LARGEST


def test_a_file_that_is_missing_is_said_to_be(put: Put, files: Files) -> None:
    with pytest.raises(UnusableFileError) as error:
        files.see(put("a.pdf", PDF).replace("a.pdf", "b.pdf"), largest=LARGEST)
    assert "its file does not exist" in str(error.value) or "answered 404" in str(error.value)


@pytest.mark.parametrize(("path", "sentence"), [
    ("http://example.com/a.pdf", "its link is not https://"),
    ("nowhere://a.pdf", "needs the driver that fsspec names for it"),
])  # fmt: skip
def test_a_place_that_cannot_be_read_is_refused(path: str, sentence: str, files: Files) -> None:
    with pytest.raises(UnusableFileError, match=sentence):
        files.see(path, largest=LARGEST)


@pytest.mark.parametrize(("protocol", "module", "extra"), [
    ("s3", "s3fs", "s3"), ("gs", "gcsfs", "gcs"), ("az", "adlfs", "azure"),
    ("abfs", "adlfs", "azure"),
])  # fmt: skip
def test_a_driver_that_is_not_installed_is_named(
    protocol: str, module: str, extra: str, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    loaded = vars(sys.modules["fsspec.registry"])["_registry"]
    monkeypatch.delitem(loaded, protocol, raising=False)
    with pytest.raises(UnusableFileError, match=rf"needs tap-qonto.{extra}. to be installed"):
        files.see(f"{protocol}://bucket/a.pdf", largest=LARGEST)


@pytest.mark.parametrize(("path", "name"), [
    ("/data/in/Facture 17.pdf", "Facture 17.pdf"),
    ("~/in/a.pdf", "a.pdf"),
    ("https://host/in/Facture%2017.pdf?X-Amz-Signature=1#2", "Facture 17.pdf"),
    ("s3://bucket/in/a%20b.pdf", "a_20b.pdf"),
    ("s3://bucket/in/no #17?.pdf", "no _17_.pdf"),
    ("gs://bucket/in/a.pdf", "a.pdf"),
    ("gcs://bucket/a.pdf", "a.pdf"),
    ("az://container/in/a.pdf", "a.pdf"),
    ("abfs://container@account.dfs.core.windows.net/in/a.pdf", "a.pdf"),
    ("zip://in/a.pdf::s3://bucket/all.zip", "a.pdf"),
    ("https://host/", "file.pdf"),
])  # fmt: skip
def test_a_file_is_called_as_its_place_calls_it(path: str, name: str) -> None:
    assert called(path, None, ".pdf") == name


@pytest.mark.parametrize(("path", "driver", "inside"), [
    ("gs://bucket/in/a.pdf", "gcsfs", "bucket/in/a.pdf"),
    ("gcs://bucket/in/a.pdf", "gcsfs", "bucket/in/a.pdf"),
    ("az://container/in/a.pdf", "adlfs", "container/in/a.pdf"),
    ("abfs://container@account.dfs.core.windows.net/in/a.pdf",
     "adlfs", "container/in/a.pdf"),
])  # fmt: skip
def test_google_and_azure_are_asked_by_their_drivers(path: str, driver: str, inside: str) -> None:
    pytest.importorskip(driver)
    asked = fsspec.get_filesystem_class(path.partition("://")[0])
    assert asked.__module__.partition(".")[0] == driver
    assert asked._strip_protocol(path) == inside  # noqa: SLF001 - how fsspec names a path
