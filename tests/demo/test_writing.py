"""What is written to the demo company is kept, and who may write."""

from __future__ import annotations

import multiprocessing
import signal
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
import requests

from tap_qonto.demo import (
    Api,
    Company,
    DemoServer,
    OAuth,
    WorldFileError,
)
from tests.kit.runner import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Opener = Callable[..., Company]

from tests.demo.desk import PDF, Desk, Row, item

COMMANDS = ["/sepa/verify_payee", "/sepa/transfers", "/clients", "/client_invoices"]


@pytest.mark.parametrize("path", COMMANDS)
def test_a_body_that_is_no_object_is_refused(path: str) -> None:
    desk = Desk()
    for content, code in (
        (b"{", "malformed_json"),
        (b"[]", "bad_request"),
        (b"", "malformed_json"),
    ):
        headers = {"Content-Type": "application/json", **desk.keyed("k")}
        answer = desk.send("POST", path, content, headers)
        assert (answer.status, answer.code) == (400, code)
    assert desk.send("POST", path, b"{}", desk.keyed("k")).code == "bad_request"


def test_payments_need_oauth_and_its_scope() -> None:
    oauth = OAuth()
    limited = OAuth(scope="organization.read client.write")
    desk = Desk(authorization="acme:secret", oauth=oauth)
    body = {"iban": desk.payee["iban"], "beneficiary_name": "A"}
    key = desk.post("/sepa/verify_payee", body, Authorization="acme:secret")
    assert (key.status, key.code) == (401, "unauthorized")
    assert desk.post("/clients", {}, Authorization="acme:secret").status == 422
    key = desk.post("/sepa/transfers", {}, "k", Authorization="acme:secret")
    assert (key.status, key.code) == (401, "unauthorized")
    bearer = f"Bearer {oauth.issue()}"
    assert desk.post("/sepa/verify_payee", body, Authorization=bearer).status == 200
    narrow = Desk(oauth=limited)
    bearer = f"Bearer {limited.issue()}"
    for path in ("/sepa/verify_payee", "/sepa/transfers", "/attachments", "/client_invoices"):
        answer = narrow.post(path, body, "k", Authorization=bearer)
        assert (answer.status, answer.code) == (403, "forbidden")
    assert narrow.post("/clients", {}, Authorization=bearer).status == 422
    reading = narrow.send("GET", "/clients", headers={"Authorization": bearer})
    assert reading.status == 403


@pytest.mark.slow
def test_the_tap_reads_back_what_was_written_with_its_documents(tmp_path: Path) -> None:
    desk = Desk(Company(transactions=60))
    earlier = run({"attachments_path": str(tmp_path)}, api=desk.api)
    desk.now = datetime.now(UTC) - timedelta(minutes=1)
    uploaded = desk.upload()
    desk.pay(attachment_ids=[uploaded])
    (invoice,) = desk.form("/supplier_invoices/bulk", *item("a", attachment_id=uploaded)).body[
        "supplier_invoices"
    ]
    client = desk.client().body["client"]["id"]
    final = desk.invoice(client, status=None).body["client_invoice"]
    desk.later(seconds=15)  # its PDF is made after ten, which changes the invoice once more
    later = run({"attachments_path": str(tmp_path)}, api=desk.api, state=earlier.state)
    assert later.exit_code == 0, later.log
    by_note = [
        row
        for stream in ("sepa_transfers", "transactions")
        for row in later.records[stream]
        if row["note"] == "Loyer · q:RKFWVWDQJZ2M"
    ]
    transfer, transaction = by_note
    assert transfer["transaction_id"] == transaction["id"]
    (account,) = (row for row in later.records["bank_accounts"] if row["id"] == desk.account.id)
    assert account["balance_cents"] == transaction["settled_balance_cents"]
    for stream, written in (
        ("supplier_invoices", invoice["id"]),
        ("clients", client),
        ("client_invoices", final["id"]),
    ):
        assert written in [row["id"] for row in later.records[stream]]
    for stream in ("transaction_attachments", "supplier_invoice_attachments"):
        (file,) = (row for row in later.records[stream] if row["id"] == uploaded)
        assert Path(unquote(urlsplit(file["file_path"]).path)).read_bytes() == PDF
    (printed,) = (
        row
        for row in later.records["client_invoice_attachments"]
        if row["client_invoice_id"] == final["id"]
    )
    assert printed["file_status"] == "stored"
    assert printed["facturx_profile"] == "EN 16931"


def rows_of(company: Company) -> dict[str, list[Row]]:
    names = ("transactions", "sepa_transfers", "bank_accounts", "supplier_invoices", "clients",
             "client_invoices", "organization")  # fmt: skip
    return {name: list(company.rows(name)) for name in names}


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens companies that keep a file, and lets go of the files at the end."""
    with ExitStack() as stack:
        yield lambda *name, **options: stack.enter_context(closing(Company(*name, **options)))


@pytest.mark.slow
def test_what_was_written_stays_in_the_file(tmp_path: Path, opened: Opener) -> None:
    path = tmp_path / "folder" / "world.sqlite"
    desk = Desk(opened(transactions=600, path=path))
    desk.pay()
    uploaded = desk.upload()
    desk.form("/supplier_invoices/bulk", *item("a", attachment_id=uploaded))
    client = desk.client().body["client"]["id"]
    final = desk.invoice(client, status=None).body["client_invoice"]
    desk.company.remove("clients", client)
    desk.ask("/labels")
    later = Desk(opened(transactions=600, path=path))
    assert rows_of(later.company) == rows_of(desk.company)
    assert later.company.document(uploaded) == PDF
    first = desk.pay()
    assert later.pay(amount="1.00") == first, "the keys are kept too"
    later.later(seconds=10)
    printed = later.ask(f"/client_invoices/{final['id']}")["client_invoice"]["attachment_id"]
    assert later.company.document(printed).startswith(b"%PDF")
    other = opened("acme", transactions=600, path=path)
    assert rows_of(other) == rows_of(Company("acme", transactions=600))


def test_a_writer_knows_what_the_others_have_written(tmp_path: Path, opened: Opener) -> None:
    one, other = (opened(transactions=60, path=tmp_path / "w") for _ in range(2))
    made = [company.new_id("client") for company in (one, other, one)]
    assert len(set(made)) == 3


def _pay_many(path: str, name: str) -> None:
    with closing(Company(transactions=600, path=path)) as company:
        desk = Desk(company)
        for number in range(20):
            paid = desk.pay(f"{name} {number}", amount="1.00", reference=f"{name} {number}")
            assert paid.status == 200


@pytest.mark.slow
def test_two_processes_write_to_one_file(tmp_path: Path, opened: Opener) -> None:
    path = str(tmp_path / "world.sqlite")
    watcher = Desk(opened(transactions=600, path=path))
    before = watcher.balance()["balance_cents"]
    fork = multiprocessing.get_context("spawn")
    writers = [fork.Process(target=_pay_many, args=(path, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    references = {row["reference"] for row in watcher.transfers()}
    assert references == {f"{name} {n}" for name in ("a", "b") for n in range(20)}
    assert watcher.balance()["balance_cents"] == before - 40 * 100
    settled = sorted(
        watcher.company.get("transactions", row["transaction_id"])["settled_balance_cents"]  # type: ignore[index]  # it is there
        for row in watcher.transfers()
    )
    assert settled == [before - 100 * n for n in range(40, 0, -1)]


@pytest.mark.parametrize("content", [b"not a database, but a text of some length" * 40, "sqlite"])
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "other"
    if content == "sqlite":
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE mine (a)")
    else:
        path.write_bytes(content)
    kept = path.read_bytes()
    with pytest.raises(WorldFileError, match="other"):
        Company(path=path)
    assert path.read_bytes() == kept


@pytest.mark.slow
def test_the_command_keeps_what_is_written_over_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tap_qonto.demo", "--transactions", "60", "--settle-time", "0"]
    command += ["--path", str(tmp_path / "w"), "--work-time", "0.01", "--no-lock-keys"]
    company = Company(transactions=60)
    desk = Desk(company)
    sent = []
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            question = {"iban": desk.payee["iban"], "beneficiary_name": desk.payee["name"]}
            with requests.Session() as client:
                checked = client.post(f"{url}/sepa/verify_payee", json=question).json()
                order = {**desk.order(), "vop_proof_token": checked["proof_token"]["token"]}
                headers = {"X-Qonto-Idempotency-Key": "k"}
                answer = client.post(f"{url}/sepa/transfers", json=order, headers=headers)
                sent.append(answer.json()["transfer"]["id"])
            process.send_signal(signal.SIGKILL)
    assert sent[0] == sent[1]
    with closing(Company(transactions=60, path=tmp_path / "w")) as kept:
        assert kept.total("sepa_transfers") == company.total("sepa_transfers") + 1


def test_the_socket_takes_commands_too() -> None:
    desk = Desk()
    with DemoServer(Api(desk.company)) as server, requests.Session() as client:
        headers = {"X-Qonto-Idempotency-Key": "k"}
        answer = client.post(
            f"{server.api_url}/attachments", files={"file": ("é.pdf", PDF)}, headers=headers
        )
        uuid = answer.json()["attachment"]["id"]
        link = client.get(f"{server.api_url}/attachments/{uuid}").json()["attachment"]["url"]
        assert client.get(link).content == PDF
        assert server.requests[0].method == "POST"
