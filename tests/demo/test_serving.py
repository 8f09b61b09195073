"""What changes shows in the next answer, inside the process and over a socket."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from tap_qonto.demo import (
    Api,
    Company,
    DemoServer,
    Request,
    Response,
)
from tap_qonto.demo.world.moments import parse
from tests.demo.visits import CHANGED, UNKNOWN, Clock, session
from tests.kit.cases import some

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_change_shows_in_the_next_answer(world: Company) -> None:
    clock = Clock()
    world.clock = clock
    account = ("bank_account_id", world.accounts[0].id)
    newest = ("sort_by", "updated_at:desc")
    with session(Api(world)) as get:
        oldest = get("/transactions", account, ("sort_by", "updated_at:asc")).json()
        row = oldest["transactions"][0]
        world.change("transactions", row["id"], note="Seen")
        first = get("/transactions", account, newest).json()["transactions"][0]
        assert (first["id"], first["note"]) == (row["id"], "Seen")
        assert first["updated_at"] == "2026-11-01T12:00:00Z"

        total = oldest["meta"]["total_count"]
        world.remove("transactions", row["id"])
        assert get("/transactions", account, newest).json()["meta"]["total_count"] == total - 1

        world.put("transactions", {**first, "id": UNKNOWN, "status": "pending", "settled_at": None})
        assert get("/transactions", account, newest).json()["meta"]["total_count"] == total - 1
        pending = get("/transactions", account, ("status[]", "pending"), newest).json()
        assert pending["transactions"][0]["id"] == UNKNOWN
        assert world.total("transactions") == 600

        client = next(world.rows("clients"))
        world.change("clients", client["id"], name="Anon", updated_at="2026-11-02T00:00:00.5Z")
        changed = get("/clients", ("filter[updated_at_from]", "2026-11-01T23:00:00+00:00")).json()
        assert [row["name"] for row in changed["clients"]] == ["Anon"]


def test_transactions_can_be_put_into_a_new_account(world: Company) -> None:
    row = next(world.rows("bank_accounts"))
    world.put("bank_accounts", {**row, "id": UNKNOWN, "iban": "FR7612345", "name": "New"})
    transaction = next(world.rows("transactions"))
    world.put("transactions", {**transaction, "id": UNKNOWN, "bank_account_id": UNKNOWN})
    with session(Api(world)) as get:
        accounts = get("/organization").json()["organization"]["bank_accounts"]
        assert [one["name"] for one in accounts][-1] == "New"
        query = ("bank_account_id", UNKNOWN), CHANGED
        found = get("/transactions", *query).json()["transactions"]
    assert [one["id"] for one in found] == [UNKNOWN]
    assert [one["id"] for one in world.rows("transactions", bank_account_id=UNKNOWN)] == [UNKNOWN]


@pytest.mark.slow
def test_random_changes_leave_every_order_sorted() -> None:
    company = Company(transactions=300, accounts=1)
    ids = [row["id"] for row in company.rows("transactions")]
    api = Api(company)
    with session(api) as get:
        for step in range(120):
            one = ids[step * 7 % len(ids)]
            if step % 5 == 4:
                if company.get("transactions", one) is not None:
                    company.remove("transactions", one)
            elif company.get("transactions", one) is not None:
                stamp = f"2026-0{1 + step % 9}-01T00:00:00Z"
                status = ("completed", "pending", "declined")[step % 3]
                company.change("transactions", one, updated_at=stamp, status=status)
            rows = [row for row in company.rows("transactions") if row["status"] == "completed"]
            body = get(
                "/transactions",
                ("bank_account_id", company.accounts[0].id),
                ("sort_by", "updated_at:asc"),
                ("page", 1 + step % 2),
            ).json()
            expected = sorted(parse(row["updated_at"]) for row in rows)
            start = step % 2 * 100
            shown = [parse(row["updated_at"]) for row in body["transactions"]]
            assert shown == expected[start : start + 100]
            assert body["meta"]["total_count"] == len(rows)


def test_a_file_can_be_replaced_renamed_and_lost(world: Company) -> None:
    one = next(row for row in world.rows("transactions") if row["attachment_ids"])
    receipt = one["attachment_ids"][0]
    world.replace_document(receipt, b"other bytes")
    world.change("attachments", receipt, file_name="../../etc/passwd")
    with session(Api(world)) as get:
        row = get(f"/attachments/{receipt}").json()["attachment"]
        assert row["file_name"] == "../../etc/passwd"
        assert urlsplit(row["url"]).path == f"/files/{receipt}"
        world.remove("attachments", receipt)
        assert get(f"/attachments/{receipt}").status_code == 404
    found = next(row for row in world.rows("transactions") if row["id"] == one["id"])
    assert receipt not in [attachment["id"] for attachment in found["attachments"]]


def test_a_socket_gives_the_same_answers(company: Company) -> None:
    paths = [
        "/organization",
        "/labels?page=1&per_page=7",
        f"/transactions?bank_account_id={company.accounts[0].id}&status[]=pending",
        "/client_invoices?filter[status]=draft",
        "/teams?page=4",
        "/nowhere",
    ]
    ours = session(Api(company))
    with ours as get, DemoServer(Api(company)) as server, requests.Session() as client:
        for path in paths:
            near, far = get(path), client.get(server.api_url + path)
            assert (near.status_code, near.content) == (far.status_code, far.content)
            assert near.headers["Content-Type"] == far.headers["Content-Type"]
        assert server.requests[0].path == "/v2/organization"
        one = next(row for row in company.rows("statements"))
        link = client.get(f"{server.api_url}/statements/{one['id']}").json()
        url = link["statement"]["file"]["file_url"]
        assert url.startswith(server.file_url)
        assert client.get(url).content == company.document(one["id"])


def test_faults_reach_a_client_over_the_socket(company: Company) -> None:
    api = Api(company)
    faults: list[Callable[[], Response]] = []

    def hook(_: Request) -> Response | None:
        return faults.pop()() if faults else None

    def reset() -> Response:
        raise ConnectionResetError

    api.before.append(hook)
    with DemoServer(api) as server, requests.Session() as client:
        url = f"{server.api_url}/organization"
        faults.append(lambda: Response(429, {"Retry-After": "0"}, b""))
        assert client.get(url).headers["Retry-After"] == "0"
        faults.append(lambda: Response(200, {"Content-Length": "99"}, [b"cut"]))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            client.get(url)
        faults.append(reset)
        with pytest.raises(requests.ConnectionError):
            client.get(url)
        assert client.get(url).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


@pytest.mark.parametrize("end", some([signal.SIGTERM, signal.SIGINT], signal.SIGTERM))
def test_the_command_prints_its_url_and_ends_on_a_signal(end: signal.Signals) -> None:
    command = [sys.executable, "-m", "tap_qonto.demo", "--transactions", "60"]
    key = ["--login", "acme", "--secret-key", "k"]
    with subprocess.Popen([*command, *key], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with requests.Session() as client:
            assert client.get(f"{url}/labels").status_code == 401
            assert client.get(f"{url}/labels", headers={"Authorization": "acme:k"}).ok
        process.send_signal(end)
        assert process.wait(timeout=120) == 0
