"""What every command to the demo company wants: a key, a body, a right; and how it travels."""

from __future__ import annotations

import threading

import pytest
import requests

from tap_qonto.demo import Api, DemoServer, OAuth, Request, Response, Writing
from tests.demo.desk import PDF, Desk


def test_a_key_repeats_the_old_answer_for_half_an_hour_whatever_the_body() -> None:
    desk = Desk()
    first = desk.pay("k")
    desk.later(minutes=29, seconds=59)
    assert desk.pay("k", amount="999.00", reference="other") == first
    assert desk.post("/sepa/transfers", {}, "k") == first
    assert len(desk.transfers()) == 1
    desk.later(seconds=1)
    again = desk.pay("k")
    assert again.status == 200
    assert again.body["transfer"]["id"] != first.body["transfer"]["id"]
    assert len(desk.transfers()) == 2


@pytest.mark.parametrize("path", ["/sepa/transfers", "/attachments"])
def test_a_key_is_mandatory_where_qonto_lists_it(path: str) -> None:
    answer = Desk().post(path, {})
    assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize(("locked", "made"), [(True, 1), (False, 2)])
def test_two_requests_with_one_key_at_once(locked: bool, made: int) -> None:
    desk = Desk(writing=Writing(lock_keys=locked, work_time=0.05))
    order = desk.order()
    gate = threading.Barrier(2)

    def send() -> None:
        gate.wait()
        assert desk.post("/sepa/transfers", order, "k").status == 200

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(desk.transfers()) == made


def test_an_answer_can_get_lost_after_the_work_and_lists_can_lag() -> None:
    desk = Desk(writing=Writing(list_delay=30))

    def lose(request: Request, _: Response) -> Response | None:
        if request.method == "POST" and request.path.endswith("/transfers"):
            raise ConnectionResetError
        return None

    order = desk.order()
    desk.api.after.append(lose)
    with pytest.raises(ConnectionResetError):
        desk.post("/sepa/transfers", order, "k")
    desk.api.after.clear()
    assert desk.transfers() == []
    desk.later(seconds=30)
    (found,) = desk.transfers()
    repeated = desk.post("/sepa/transfers", order, "k").body["transfer"]
    assert repeated["id"] == found["id"]


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
