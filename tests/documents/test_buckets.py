"""An object store keeps documents as a folder does."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto.server import ThreadedMotoServer
from typing_extensions import override

from tap_qonto.api.errors import StoppedStoringError
from tap_qonto.documents.names import key_of
from tap_qonto.documents.places import Bucket
from tests.kit.papers import INVOICES, RECEIPTS, Papers, owed, statuses
from tests.kit.pdfs import pdf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

s3fs: Any = import_module("s3fs")  # which has no types

XML = (
    "<i><GuidelineSpecifiedDocumentContextParameter><ID>urn:factur-x.eu:1p0:minimum</ID>"
    "</GuidelineSpecifiedDocumentContextParameter></i>"
)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of a folder in a bucket of an object store on this machine."""
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "k3y-of-the-bucket",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t-of-the-bucket",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        files = s3fs.S3FileSystem()
        files.mkdir("archive")
        yield "s3://archive/qonto"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.mark.slow
def test_a_bucket_keeps_documents_as_a_folder_does(
    papers: Papers, bucket: str, on_machine: Callable[..., None]
) -> None:
    large = os.urandom(20_000_000)
    papers.invoice(papers.document("a1", large, file_name="../large file.pdf"))
    papers.invoice(papers.document("a2", pdf({"factur-x.xml": XML.encode()})))
    papers.invoice(papers.document("a3", b"x" * 3_000))
    papers.always("a3", "cut")
    on_machine(tries=1)
    failed = papers.run(*INVOICES, attachments_path=bucket)
    files = s3fs.S3FileSystem()
    assert failed.exit_code == 1
    assert statuses(failed, INVOICES[1]) == ["stored", "stored", "failed"]
    assert [item["id"] for item in owed(failed, INVOICES[1])] == ["a3"]
    assert files.find("archive/qonto") == [
        "archive/qonto/client_invoice_attachments/a1/_large file.pdf",
        "archive/qonto/client_invoice_attachments/a2/a2.pdf",
    ]

    papers.always("a3", None)
    done = papers.run(*INVOICES, attachments_path=bucket)
    rows = done.records[INVOICES[1]]
    assert done.exit_code == 0
    assert [row["file_status"] for row in rows] == ["stored"] * 3
    contents = [papers.company.document(row["id"]) for row in rows]
    assert [files.cat(row["file_path"]) for row in rows] == contents
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    assert [row["file_sha256"] for row in rows] == digests
    assert rows[0]["file_path"] == f"{bucket}/client_invoice_attachments/a1/_large file.pdf"
    assert rows[1]["facturx_profile"] == "MINIMUM"
    paths = [request.path for request in (*failed.requests, *done.requests)]
    assert (paths.count("/files/a1"), paths.count("/files/a2")) == (1, 1)
    assert "of-the-bucket" not in failed.log + done.log
    assert not list(Path(tempfile.gettempdir()).glob(f"tap-qonto-*/{'?' * 16}"))


@pytest.mark.usefixtures("bucket")
@pytest.mark.slow
def test_a_bucket_that_refuses_ends_the_run_with_one_sentence_that_names_it(
    papers: Papers,
) -> None:
    papers.receipts(1)
    papers.invoice(papers.document("b"))
    done = papers.run(*RECEIPTS, *INVOICES, attachments_path="s3://somebody-else/folder")
    assert done.exit_code == 1
    (line,) = [line for line in done.log.splitlines() if line.startswith("ERROR")]
    assert "s3://somebody-else/folder/transaction_attachments/a0/a0.pdf" in line
    assert "Internal error" not in done.log


class Breaking(Bucket):
    """A bucket whose run stops in the middle of an upload."""

    blocks = 0

    @override
    def go_on(self) -> None:
        self.blocks += 1
        if self.blocks > 35:
            raise StoppedStoringError


@pytest.mark.slow
def test_an_upload_that_breaks_leaves_no_half_of_a_document(bucket: str) -> None:
    place = Breaking(bucket)
    key = key_of("quote_attachments", "broken", "large.pdf")
    with place.alone(key), place.aside(key) as aside:
        for _ in range(20):
            aside.write(bytes(1_000_000))
        with pytest.raises(StoppedStoringError):
            aside.commit()
    assert place.blocks > 23
    assert Bucket(bucket).find(key) is None
    place.stop()


@pytest.mark.slow
def test_drivers_and_the_pdf_library_are_not_imported_without_need() -> None:
    config = json.dumps({"environment": "demo"})
    script = (
        "import sys; from tap_qonto.tap import TapQonto\n"
        f"tap = TapQonto(config={config}, parse_env_config=False); tap.connection.archive\n"
        "print([name for name in ('pypdf', 's3fs', 'defusedxml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
