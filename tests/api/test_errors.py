"""What goes wrong is retried, told in one sentence or survived; nothing is ever lost or torn."""

from __future__ import annotations

import fcntl
import gzip
import logging
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import pytest
from click.testing import CliRunner
from typing_extensions import override

from tap_qonto.api.answers import Reply
from tap_qonto.api.client import Client
from tap_qonto.api.pages import Query
from tap_qonto.api.transport import Transport
from tap_qonto.demo import Api, Company, DemoServer
from tap_qonto.machine import Machine
from tap_qonto.streams.organization import Teams
from tap_qonto.tap import TapQonto
from tests.kit import faults
from tests.kit.answers import alter
from tests.kit.faults import Faults, answer
from tests.kit.runner import (
    COMMAND,
    KEY,
    PATIENCE,
    Run,
    catalog_of,
    config_for,
    log_of,
    parsed,
    run,
    start_process,
    tap_with,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Request, Response
    from tests.kit.faults import Fault

Row = dict[str, Any]

TRACE = "7f3d2c1e-trace"
SECRETIVE = {"name": "Camille Martin", "balance": 1234567}
"""Stands for bank data in an error body: no word of it may reach the log."""


@pytest.fixture
def waits(slept: list[float]) -> list[float]:
    """The seconds that the tap would have waited before each retry."""
    return slept


@pytest.fixture
def leaving_by_exception(on_machine: Callable[..., None]) -> None:
    """Let the command end as a test can see it, instead of ending the process at once."""
    on_machine(exit=sys.exit)


@pytest.fixture(scope="module")
def small() -> Company:
    """A company that no test changes."""
    return Company(transactions=60)


def failing(world: Company, path: str, *script: Fault, always: Fault | None = None) -> Api:
    """Return the API of a company in which requests for a path fail."""
    api = Api(world, authorization=KEY)
    api.before.append(Faults(path, script, always=always))
    return api


def errors(outcome: Run) -> list[str]:
    """Return the errors on the log."""
    return re.findall(r"^ERROR \S+ (.*)$", outcome.log, re.MULTILINE)


def as_sent(outcome: Run, stream: str) -> list[Row]:
    """Return the rows of a stream without the column that the tap itself fills in."""
    rows = [dict(row) for row in outcome.records[stream]]
    for row in rows:
        assert row.pop("organization_id")
    return rows


def retries(outcome: Run) -> list[str]:
    """Return the lines of the log that announce a retry."""
    return [line for line in outcome.log.splitlines() if "trying again in" in line]


# -- faults that pass -----------------------------------------------------------------------------

PASSING = {
    "429 without Retry-After": (answer(429), "429"),
    "429 with seconds": (answer(429, Retry_After="7"), "429"),
    "429 with a date": (answer(429, Retry_After="Mon, 23 Nov 2020 10:00:00 GMT"), "429"),
    "429 with nonsense": (answer(429, Retry_After="soon"), "429"),
    "500": (answer(500), "500"),
    "502 from a proxy": (answer(502, b"<html>Bad Gateway</html>", Content_Type="text/html"), "502"),
    "503": (answer(503, Retry_After="0"), "503"),
    "504": (answer(504), "504"),
    "520 of a content network": (answer(520), "520"),
    "reset": (faults.reset, "got no whole answer"),
    "cut by length": (faults.cut, "got no whole answer"),
    "cut in chunks": (faults.cut_in_chunks, "got no whole answer"),
}


@pytest.mark.parametrize(("fault", "told"), PASSING.values(), ids=PASSING.keys())
def test_a_fault_that_passes_costs_a_retry_and_no_row(
    small: Company, waits: list[float], fault: Fault, told: str
) -> None:
    api = failing(small, "/labels", fault, fault)
    outcome = run(api=api, select=["labels"])
    assert outcome.exit_code == 0
    expected = {row["id"] for row in small.rows("labels")}
    assert {row["id"] for row in outcome.records["labels"]} == expected
    assert len(waits) == len(retries(outcome)) == 2
    for line, wait in zip(retries(outcome), waits, strict=True):
        assert line.startswith("WARNING")
        assert "labels: GET /labels " in line
        assert told in line
        assert f"trying again in {wait:.1f} s" in line
    assert not errors(outcome)


def test_a_body_without_end_costs_a_retry_and_no_row(small: Company, waits: list[float]) -> None:
    # Seconds enough for an answer of a busy machine, and four attempts to spare.
    api = failing(small, "/labels", faults.dribble)
    outcome = run({"request_timeout": 1}, api=api, select=["labels"])
    assert outcome.exit_code == 0
    assert len(outcome.records["labels"]) == small.total("labels")
    assert waits
    assert "not complete within request_timeout" in retries(outcome)[0]


BODY = (
    b'{"labels":[{"id":"1","name":"a","parent_id":null}],"meta":{"total_pages":1,"total_count":1}}'
)
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(BODY), BODY)
CUT_GZIP = gzip.compress(BODY)[:-20]

# Each says that its connection ends, as it does: a second request on it would be a race.
SAVED = {
    "204": b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    "206": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    "202": b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    "200 and nothing in it": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "103 and nothing else": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "gzip that is cut": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%s" % (len(CUT_GZIP), CUT_GZIP),
    "HTTP/1.0 without a length, cut": b"HTTP/1.0 200 OK\r\n\r\n" + BODY[:30],
    "a chunk of 16 exabytes": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"ffffffffffffffff\r\n" + BODY,
    "a chunk of 4 exabytes": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3fffffffffffffff\r\n" + BODY,
}


@pytest.mark.parametrize("answered", SAVED.values(), ids=SAVED.keys())
def test_an_answer_that_a_second_try_saves_is_tried_again(
    waits: list[float], answered: bytes
) -> None:
    with faults.raw_answers(answered, WHOLE) as api_url:
        settings = {"api_url": api_url, "login": "a", "secret_key": "b", "request_timeout": 5}
        outcome = run(settings, select=["labels"])
    assert outcome.exit_code == 0
    assert [row["id"] for row in outcome.records["labels"]] == ["1"]
    assert len(waits) == len(retries(outcome)) == 1


def test_a_hint_before_an_answer_is_no_answer(waits: list[float]) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    with faults.raw_answers(hint + WHOLE) as api_url:
        outcome = run({"api_url": api_url, "login": "a", "secret_key": "b"}, select=["labels"])
    assert outcome.exit_code == 0
    assert [row["id"] for row in outcome.records["labels"]] == ["1"]
    assert not waits


@pytest.mark.parametrize(
    "told", ["0", "-5", "0.0", "Mon, 23 Nov 2020 10:00:00 GMT", "-inf", "nan", "1e999"]
)
def test_a_server_that_asks_for_no_wait_gets_the_own_backoff(
    small: Company, waits: list[float], told: str
) -> None:
    outcome = run(
        api=failing(small, "/labels", always=answer(503, Retry_After=told)), select=["labels"]
    )
    assert outcome.exit_code == 1
    assert len(waits) == 5
    for attempt, wait in enumerate(waits):
        assert wait >= 2**attempt / 2


def test_waits_grow_are_random_and_obey_the_server(small: Company, waits: list[float]) -> None:
    run(api=failing(small, "/labels", always=answer(500)), select=["labels"])
    assert len(waits) == 5
    for attempt, wait in enumerate(waits):
        assert 2**attempt / 2 <= wait <= 2**attempt
    first = waits.copy()
    waits.clear()
    run(api=failing(small, "/labels", always=answer(500)), select=["labels"])
    assert waits != first, "several processes would come back together"
    waits.clear()
    script = [answer(429, Retry_After="17"), answer(429), answer(503, Retry_After="2")]
    run(api=failing(small, "/labels", *script), select=["labels"])
    assert (waits[0], waits[2]) == (17.0, 2.0)
    assert waits[1] >= 5, "one of two windows is full, the shorter of which lasts 10 seconds"


LASTING = {
    "429": (answer(429), "answered 429"),
    "500": (answer(500), "answered 500"),
    "reset": (faults.reset, "the connection broke"),
    "cut by length": (faults.cut, "the connection broke"),
}


@pytest.mark.parametrize(("fault", "told"), LASTING.values(), ids=LASTING.keys())
def test_a_fault_that_lasts_is_given_up_in_one_sentence(
    small: Company, waits: list[float], fault: Fault, told: str
) -> None:
    api = failing(small, "/teams", always=fault)
    outcome = run(api=api, select=["sepa_transfers", "teams"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert sentence.startswith("teams: GET /teams ")
    assert told in sentence
    assert "Gave up after 6 attempts" in sentence
    assert len(waits) == len(retries(outcome)) == 5
    assert outcome.records["sepa_transfers"], "what came before is there"
    assert outcome.bookmark("sepa_transfers")
    assert "Traceback" not in outcome.log


def test_a_body_without_end_is_given_up_in_one_sentence(small: Company, waits: list[float]) -> None:
    api = failing(small, "/labels", always=faults.dribble)
    outcome = run({"request_timeout": 0.2}, api=api, select=["labels"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert "not complete within request_timeout" in sentence
    assert "Gave up after 6 attempts" in sentence
    assert len(waits) == 5


def test_headers_without_end_are_given_up(waits: list[float]) -> None:
    with faults.endless_headers() as api_url:
        settings = {"api_url": api_url, "login": "a", "secret_key": "b", "request_timeout": 0.2}
        outcome = run(settings, select=["labels"])
    assert outcome.exit_code == 1
    assert "not complete within request_timeout" in errors(outcome)[0]
    assert len(waits) == 5


def test_a_host_that_comes_back_is_found_again(
    small: Company, on_machine: Callable[..., None]
) -> None:
    port = faults.free_port()
    started: list[DemoServer] = []

    def sleep(_seconds: float) -> None:
        if not started:
            started.append(DemoServer(Api(small), port=port))

    on_machine(sleep=sleep)
    settings = {"api_url": f"http://127.0.0.1:{port}/v2", "login": "a", "secret_key": "b"}
    outcome = run(settings, select=["labels"])
    started[0].close()
    assert outcome.exit_code == 0
    assert outcome.records["labels"]
    assert len(retries(outcome)) == 1
    assert "the connection was refused" in retries(outcome)[0]


def test_a_name_that_does_not_resolve_is_told(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    settings = {"api_url": "https://qonto.invalid/v2", "login": "a", "secret_key": "b"}
    outcome = run(settings, select=["labels"])
    assert outcome.exit_code == 1
    assert "the host name cannot be resolved" in errors(outcome)[0]
    assert len(waits) == 5


def test_a_429_holds_back_every_request_of_the_run_until_its_time(small: Company) -> None:
    api = Api(small)
    seen: list[str] = []

    def throttle(request: Request) -> Response | None:
        seen.append(request.path)
        return answer(429, {}, Retry_After="3")(request) if len(seen) == 1 else None

    api.before.append(throttle)
    now = [1_000.0]
    asleep: queue.Queue[float] = queue.Queue()
    awake = threading.Event()

    def sleep(seconds: float) -> None:
        asleep.put(seconds)
        assert awake.wait(PATIENCE)

    machine = Machine(stopwatch=lambda: now[0], sleep=sleep)
    with DemoServer(api) as server, ThreadPoolExecutor(4) as threads:
        transport = Transport(
            server.api_url, auth=None, headers={}, timeout=60, concurrency=4, machine=machine
        )
        client = Client(transport, concurrency=4, machine=machine)
        query = Query("labels", "/labels")
        work = [threads.submit(client.get, query)]
        assert asleep.get(timeout=PATIENCE) == 3.0
        work += [threads.submit(client.get, query) for _ in range(3)]
        assert [asleep.get(timeout=PATIENCE) for _ in range(3)] == [3.0] * 3
        assert len(seen) == 1, "nobody has asked although there are free slots"
        now[0] += 3
        awake.set()
        for each in work:
            each.result()
        client.close()
    assert len(seen) == 5
    assert asleep.empty()


class RefusingAtOnce:
    """Carries requests to nowhere: the first ones are all refused at the same moment."""

    def __init__(self, count: int) -> None:
        self.held_back: list[float] = []
        self._barrier = threading.Barrier(count)
        self._seen: set[str] = set()

    def send(self, _method: str, path: str, _params: object) -> Reply:
        if path in self._seen:
            return Reply(200, {"Content-Type": "application/json"}, b'{"found": true}', 0.0)
        self._seen.add(path)
        self._barrier.wait(PATIENCE)
        return Reply(429, {"Retry-After": "7"}, b"{}", 0.0)

    def hold_back(self, seconds: float) -> None:
        self.held_back.append(seconds)

    def close(self) -> None:
        """Nothing is open."""


def test_many_threads_that_fail_at_once_log_one_line_per_retry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slept: list[float] = []
    transport: Any = RefusingAtOnce(8)
    client = Client(transport, concurrency=8, machine=Machine(sleep=slept.append))
    queries = [Query("labels", f"/{number}") for number in range(8)]
    answers = list(ThreadPoolExecutor(8).map(client.get, queries))
    client.close()
    assert answers == [{"found": True}] * 8
    assert slept == transport.held_back == [7.0] * 8, "whoever is about to ask waits too"
    said = sorted(record.getMessage() for record in caplog.records)
    assert said == [
        f"labels: GET /{number} answered 429; trying again in 7.0 s (attempt 2 of 6)"
        for number in range(8)
    ]


# -- answers that are none ------------------------------------------------------------------------

META = {"current_page": 1, "next_page": None, "prev_page": None, "total_pages": 1, "per_page": 100}

USELESS = {
    "HTML with status 200": (
        answer(200, b"<html>Camille Martin</html>", Content_Type="text/html; charset=utf-8"),
        "GET /labels answered 200 with text/html that is not valid JSON",
    ),
    "truncated JSON": (
        answer(200, b'{"labels": [{"name": "Camille Martin', Content_Type="application/json"),
        "GET /labels answered 200 with application/json that is not valid JSON",
    ),
    "bytes that are no text": (answer(200, b"\xff\xfe\x00"), "that is not valid JSON"),
    "no envelope": (answer(200, {"meta": META}), "GET /labels answered JSON without the list"),
    "another envelope": (answer(200, {"data": [], "meta": META}), "without the list 'labels'"),
    "an object in the envelope": (answer(200, {"labels": {}}), "without the list 'labels'"),
    "a list": (answer(200, []), "GET /labels answered JSON that is no object"),
    "null": (answer(200, None), "GET /labels answered JSON that is no object"),
    "meta of another type": (answer(200, {"labels": [], "meta": []}), "a 'meta' that is no object"),
    "a page count that is text": (
        answer(200, {"labels": [], "meta": META | {"total_pages": "many"}}),
        "a 'meta' whose 'total_pages' is no count",
    ),
    "a negative count": (
        answer(200, {"labels": [], "meta": META | {"total_count": -1}}),
        "a 'meta' whose 'total_count' is no count",
    ),
    "a row that is none": (answer(200, {"labels": ["Camille"]}), "text where a row was expected"),
    "a row without its key": (answer(200, {"labels": [SECRETIVE]}), "primary key field 'id'"),
}


@pytest.mark.parametrize(("fault", "told"), USELESS.values(), ids=USELESS.keys())
def test_an_answer_that_makes_no_sense_is_told_in_one_sentence(
    small: Company, waits: list[float], fault: Fault, told: str
) -> None:
    outcome = run(api=failing(small, "/labels", always=fault), select=["labels"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert told in sentence
    assert not waits, "another attempt would end in the same way"
    assert "Camille" not in outcome.log
    assert "Traceback" not in outcome.log


@pytest.mark.parametrize("lost", [["total_pages", "total_count"], None])
@pytest.mark.parametrize("stream", ["transactions", "clients", "client_invoices"])
def test_a_list_that_does_not_say_how_long_it_is_is_not_taken_for_a_whole_one(
    small: Company, waits: list[float], stream: str, lost: list[str] | None
) -> None:
    def without(body: Row) -> None:
        meta = body.get("meta", {})  # a refusal has none
        for name in [*meta] if lost is None else lost:
            meta.pop(name, None)

    api = Api(small, page_limit=5)
    alter(api, f"/{stream}", without)
    outcome = run(api=api, select=[stream])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert f"GET /{stream} answered without the counts in 'meta'" in sentence
    assert not waits
    assert not outcome.records


@pytest.mark.parametrize(
    "url",
    [
        "https://a b/v2",
        "https://.a/v2",
        "http://127.0.0.1:99999/v2",
        "https://a/v2?b=c",
        "https://a#b",
    ],
)
def test_an_address_that_is_none_is_told(waits: list[float], url: str) -> None:
    outcome = run({"login": "acme-1234", "secret_key": "secret", "api_url": url}, select=["labels"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert sentence.startswith("Set api_url to the address of the API")
    assert not waits


def test_the_sandbox_without_its_token_says_what_is_missing(small: Company) -> None:
    api = Api(small, authorization=KEY, staging_token="st-4711-right")
    with DemoServer(api) as server:
        settings = config_for(server) | {"environment": "sandbox", "staging_token": "st-4711-left"}
        outcome = run(settings, select=["labels"])
    assert outcome.exit_code == 1
    assert "staging_token is missing or wrong" in errors(outcome)[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_so_no_other_host_sees_the_credentials(
    small: Company, status: int
) -> None:
    with DemoServer(Api(small)) as elsewhere:
        fault = answer(status, Location=f"{elsewhere.api_url}/labels")
        outcome = run(api=failing(small, "/labels", always=fault), select=["labels"])
        assert not elsewhere.requests
    assert outcome.exit_code == 1
    assert f"answered {status}: a redirect" in errors(outcome)[0]


def test_a_redirect_to_nowhere_is_told(small: Company) -> None:
    api = failing(small, "/labels", always=answer(301, Location="https://["))
    outcome = run(api=api, select=["labels"])
    assert outcome.exit_code == 1
    assert "GET /labels answered 301: a redirect" in errors(outcome)[0]


def test_cookies_are_not_kept_and_netrc_is_not_read(
    small: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password stolen\n")
    monkeypatch.setenv("NETRC", str(netrc))
    body = {"labels": [{"id": "1"}], "meta": META}
    fault = answer(200, body, Set_Cookie="session=1; Path=/")
    outcome = run(api=failing(small, "/labels", fault), select=["labels", "teams"])
    assert outcome.exit_code == 0
    assert {request.headers["Authorization"] for request in outcome.requests} == {KEY}
    assert not any("Cookie" in request.headers for request in outcome.requests)


def test_compressed_answers_are_read(small: Company) -> None:
    fault = faults.compressed({"labels": [{"id": "1", "name": "é"}], "meta": META})
    outcome = run(api=failing(small, "/labels", fault), select=["labels"])
    assert as_sent(outcome, "labels") == [{"id": "1", "name": "é"}]


# -- error bodies ---------------------------------------------------------------------------------

ITEM = {"code": "bad_thing", "detail": "wrong parameter", "source": {"parameter": "x"}}

BODIES = {
    "a list": {"errors": [ITEM], "trace_id": TRACE, "data": SECRETIVE},
    "an object": {"errors": ITEM, "trace_id": TRACE, "data": SECRETIVE},
    "flat": {**ITEM, "trace_id": TRACE, "data": SECRETIVE},
    "the gateway's": {"message": "bad_thing wrong parameter", "trace_id": TRACE},
    "with message": {"errors": [{"code": "bad_thing", "message": "wrong parameter"}], **SECRETIVE},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("status", [400, 422, 500])
def test_an_error_tells_status_code_detail_and_trace_but_never_the_body(
    small: Company, waits: list[float], status: int, body: Row
) -> None:
    fault = answer(status, body, X_Tyk_Trace_Id=TRACE)
    outcome = run(api=failing(small, "/labels", always=fault), select=["labels"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    for part in (f"GET /labels answered {status}", "bad_thing", "wrong parameter", TRACE):
        assert part in sentence
    assert bool(waits) == (status == 500)
    for secret in SECRETIVE.values():
        assert str(secret) not in outcome.log


STRANGE_BODIES = {
    "plain text": b"Camille Martin is not here",
    "HTML": b"<html><body>Camille Martin</body></html>",
    "a list": b'["Camille Martin"]',
    "text": b'"Camille Martin"',
    "null": b"null",
    "nothing": b"",
    "no text": b"\xff\xfe",
    "errors of another type": b'{"errors": 5, "data": "Camille Martin"}',
    "an empty list": b'{"errors": [], "data": "Camille Martin"}',
    "errors as texts": b'{"errors": ["Camille Martin"]}',
    "parts of other types": b'{"code": 5, "detail": {"x": "Camille Martin"}, "trace_id": []}',
    "deep": b'{"errors":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
}


@pytest.mark.parametrize("body", STRANGE_BODIES.values(), ids=STRANGE_BODIES.keys())
def test_an_error_body_of_any_other_shape_does_no_harm(small: Company, body: bytes) -> None:
    fault = answer(400, body, X_Tyk_Trace_Id=TRACE)
    outcome = run(api=failing(small, "/labels", always=fault), select=["labels"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert sentence == f"labels: GET /labels answered 400 [trace {TRACE}]"
    assert "Camille" not in outcome.log


@pytest.mark.parametrize(
    "personal",
    [
        "camille.martin@example.com",
        "FR7630006000011234567890189",
        "FR76 3000 6000 0112 3456 7890 189",
        "DE89370400440532013000",
        "https://files.example.com/receipt.pdf?X-Amz-Signature=abc",
    ],
)
def test_personal_data_in_a_detail_is_masked(small: Company, personal: str) -> None:
    fault = answer(422, {"errors": [{"code": "invalid", "detail": f"no {personal}\nfound"}]})
    outcome = run(api=failing(small, "/labels", always=fault), select=["labels"])
    assert errors(outcome) == ["labels: GET /labels answered 422 invalid (no *** found)"]


# -- fields that break a promise ------------------------------------------------------------------

LABEL = {"id": "1", "name": "Travel", "parent_id": None}

DEVIATIONS: dict[str, tuple[Row, Row, str]] = {
    "a new field": (
        LABEL | {"colour": "red"},
        LABEL | {"additional_properties": {"colour": "red"}},
        "sent what the catalog does not know, in 'colour' 3 times (kept",
    ),
    "a new object": (
        LABEL | {"style": {"bold": True}},
        LABEL | {"additional_properties": {"style": {"bold": True}}},
        "does not know, in 'style' 3 times",
    ),
    "a number for text": (
        LABEL | {"name": 12},
        LABEL | {"name": "12"},
        "sent values of another type, in 'name' 3 times a number instead of text",
    ),
    "an object for text": (
        LABEL | {"name": {"fr": "Voyage"}},
        LABEL | {"name": '{"fr":"Voyage"}'},
        "in 'name' 3 times an object instead of text",
    ),
    "null for text": (
        LABEL | {"name": None},
        LABEL | {"name": None},
        "in 'name' 3 times null instead of text",
    ),
}


@pytest.mark.parametrize(("sent", "kept", "told"), DEVIATIONS.values(), ids=DEVIATIONS.keys())
def test_a_broken_promise_keeps_the_row_and_is_told_once(
    small: Company, sent: Row, kept: Row, told: str
) -> None:
    rows = [sent | {"id": str(number)} for number in range(3)]
    fault = answer(200, {"labels": rows, "meta": META | {"total_count": 3}})
    outcome = run(api=failing(small, "/labels", fault), select=["labels"])
    assert outcome.exit_code == 0
    assert as_sent(outcome, "labels") == [kept | {"id": row["id"]} for row in rows]
    warnings = [line for line in outcome.log.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == 1
    assert told in warnings[0]
    assert warnings[0].startswith("WARNING tap-qonto.labels labels: Qonto ")


def test_a_new_field_inside_an_object_stays_there(small: Company) -> None:
    row = {"id": "a", "billing_address": {"city": "Paris", "planet": "Earth"}}
    fault = answer(200, {"clients": [row], "meta": META | {"total_count": 1}})
    outcome = run(api=failing(small, "/clients", fault), select=["clients"])
    assert outcome.exit_code == 0
    assert as_sent(outcome, "clients") == [row]
    assert "what the catalog does not know, in 'billing_address.planet' 1 time" in outcome.log


# -- the end of a run -----------------------------------------------------------------------------

INCREMENTAL = ["sepa_transfers", "transactions"]


def slow(pages: int) -> Callable[[Any], None]:
    """Return a hook that answers so many pages of transactions at once and the rest slowly."""
    count = 0

    def wait(request: Any) -> None:
        nonlocal count
        if request.path == "/v2/transactions":
            count += 1
            if count > pages:
                time.sleep(0.5)

    return wait


def is_safe(outcome: Run, world: Company) -> bool:
    """Return whether no bookmark lies behind the last row written of its account."""
    latest: dict[str, str] = {}
    for row in outcome.records.get("transactions", []):
        account = row["bank_account_id"]
        latest[account] = max(latest.get(account, ""), row["updated_at"])
    accounts = {row["id"] for row in world.rows("bank_accounts")}
    return all(
        account in accounts and value <= latest.get(account, "")
        for account, value in outcome.bookmarks("transactions").items()
    )


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_with_the_last_safe_state(
    company: Company, signum: int, code: int
) -> None:
    api = Api(company, authorization=KEY, page_limit=20)
    api.before.append(slow(12))
    with (
        DemoServer(api) as server,
        start_process(config_for(server), catalog=catalog_of(["transactions"])) as process,
    ):
        assert process.stdout
        head = b""
        while head.count(b'"STATE"') == 0 and head.count(b'"RECORD"') < 20:
            head += process.stdout.readline()
        process.send_signal(signum)
        output = head + process.stdout.read()
        outcome = Run(process.wait(PATIENCE), parsed(output), log_of(process))
    assert outcome.exit_code == code
    assert output.endswith(b"\n"), "a torn message"
    assert outcome.messages[-1]["type"] == "STATE"
    assert is_safe(outcome, company)
    assert outcome.log.splitlines()[-1].endswith(
        f"Stopped by signal {signum:d}; the next run goes on from the last state"
    )
    assert "Traceback" not in outcome.log


def wait_until_full(pipe: IO[bytes]) -> None:
    """Return when a pipe that nobody reads has taken nothing more for a while.

    How much that is depends on how its pages were filled. A busy machine may let it look full too
    early; what follows must hold then, too.
    """
    capacity = fcntl.fcntl(pipe.fileno(), fcntl.F_GETPIPE_SZ)
    held, before, calm = array("i", [0]), 0, 0
    for _ in range(int(PATIENCE / 0.01)):
        fcntl.ioctl(pipe.fileno(), termios.FIONREAD, held)
        calm = calm + 1 if held[0] == before else 0
        before = held[0]
        if calm >= 20 and before > capacity // 2:
            return
        time.sleep(0.01)
    pytest.fail(f"the pipe holds {before} of {capacity} bytes and more is coming")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much a pipe holds")
def test_a_signal_does_not_tear_a_message_when_the_pipe_is_full() -> None:
    settings = {"environment": "demo"}
    with start_process(settings, catalog=catalog_of(["transactions"])) as process:
        assert process.stdout
        # The tap is stuck in the middle of a block as soon as the pipe holds no more.
        wait_until_full(process.stdout)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        output = process.stdout.read()
        assert process.wait(PATIENCE) == 143
    assert output.endswith(b"\n")
    assert parsed(output)[-1]["type"] == "STATE"


@pytest.mark.parametrize("options", [(), ("--discover",), ("--about", "--format=json")])
def test_a_closed_pipe_ends_the_tap_at_once_and_quietly(options: tuple[str, ...]) -> None:
    with start_process({"environment": "demo"}, options=options) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        code = process.wait(PATIENCE)
        log = log_of(process)
    assert "Traceback" not in log
    assert "Exception ignored" not in log
    if not options:
        assert code == 1
        assert "The target has closed the pipe" in log.splitlines()[-1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is full")
@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "options",
    [
        (),
        pytest.param(("--discover",), marks=pytest.mark.slow),
        ("--about", "--format=json"),
    ],
)
def test_a_full_disk_is_told(options: tuple[str, ...], unbuffered: str) -> None:
    arguments = [str(COMMAND), "--config", '{"environment": "demo"}', *options]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            arguments,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    log = ended.stderr.decode()
    assert ended.returncode == 1
    assert log.splitlines()[-1].endswith(
        "This machine refused something (standard output): No space left on device"
    )
    assert "Traceback" not in log
    assert "Exception ignored" not in log


def test_a_bug_costs_its_stream_and_a_sentence_that_tells_where(small: Company) -> None:
    class Broken(Teams):
        @override
        def rows(self, context: object) -> NoReturn:
            raise KeyError(SECRETIVE["name"])

    api = Api(small, authorization=KEY)
    outcome = run(api=api, select=["sepa_transfers", "teams", "cards"], tap=tap_with(Broken))
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert outcome.records["cards"], "a stream that is read after it"
    told = r"teams: Internal error: KeyError in \w+\.py, line \d+\. This is a bug"
    assert re.match(told, sentence)
    assert "Camille" not in outcome.log
    assert "Traceback" not in outcome.log
    assert outcome.bookmark("sepa_transfers")


# -- what is handed to a run ----------------------------------------------------------------------


def bookmarked(stream: str, **fields: Any) -> Row:
    return {"bookmarks": {stream: fields}}


STATES: dict[str, tuple[Any, str]] = {
    "a list": ([], "The file given to --state is no JSON object"),
    "no bookmarks": ({"value": {"bookmarks": {}}}, "The state has no 'bookmarks'"),
    "another tap's": (bookmarked("contacts", replication_key="id"), "The state is of another tap"),
    "damaged": ({"bookmarks": {"transactions": []}}, "The state of transactions is damaged"),
    "a text for partitions": (bookmarked("transactions", partitions="x"), "is damaged"),
    "in the future": (
        bookmarked("sepa_transfers", replication_key_value="2999-01-01T00:00:00Z"),
        "has a bookmark in the future",
    ),
    "no timestamp": (
        bookmarked("sepa_transfers", replication_key_value="yesterday"),
        "has a bookmark that is no timestamp",
    ),
    "a number": (
        bookmarked("sepa_transfers", replication_key_value=17),
        "has a bookmark that is no timestamp",
    ),
    "another key": (
        bookmarked(
            "sepa_transfers",
            replication_key="created_at",
            replication_key_value="2024-01-01T00:00:00Z",
        ),
        "has a bookmark on 'created_at'",
    ),
}


@pytest.mark.parametrize(("state", "told"), STATES.values(), ids=STATES.keys())
def test_a_state_that_cannot_be_used_is_refused_in_one_sentence(
    small: Company, state: Any, told: str
) -> None:
    outcome = run(api=Api(small, authorization=KEY), state=state, select=["sepa_transfers"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert told in sentence
    assert not outcome.messages, "nothing was read, nothing was reset"
    assert not outcome.requests


def replicated(**root: str) -> Row:
    """Return a catalog of labels with something said about the stream as a whole."""
    catalog = catalog_of(["labels"])
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if stream["stream"] == "labels" and not entry["breadcrumb"]:
                entry["metadata"] |= {name.replace("_", "-"): value for name, value in root.items()}
    return catalog


CATALOGS: dict[str, tuple[Any, str]] = {
    "a log that nobody has": (
        replicated(forced_replication_method="LOG_BASED"),
        "The catalog's entry of labels asks for a replication method",
    ),
    "a list": ([], "The file given to --catalog is no JSON object"),
    "no streams": ({"version": 1}, "The catalog has no list 'streams'"),
    "a text for a stream": ({"streams": ["labels"]}, "The catalog has no list 'streams'"),
    "another tap's": ({"streams": [{"tap_stream_id": "contacts"}]}, "is of another tap"),
    "no schema": (
        {"streams": [{"tap_stream_id": "labels", "stream": "labels"}]},
        "The catalog's entry of labels has no schema",
    ),
    "no key column": (
        {"streams": [{"tap_stream_id": "labels", "schema": {"properties": {"name": {}}}}]},
        "The catalog's entry of labels lacks the key column 'id'",
    ),
    "damaged metadata": (
        {
            "streams": [
                {
                    "tap_stream_id": "labels",
                    "schema": {"properties": {"id": {"type": "string"}}},
                    "metadata": [{"breadcrumb": "properties"}],
                }
            ]
        },
        "The catalog's entry of labels has damaged metadata",
    ),
    "another replication key": (
        {
            "streams": [
                {
                    "tap_stream_id": "sepa_transfers",
                    "replication_key": "created_at",
                    "schema": {"properties": {"id": {"type": "string"}}},
                }
            ]
        },
        "names the replication key 'created_at', but the stream goes by 'updated_at'",
    ),
}


@pytest.mark.parametrize(("catalog", "told"), CATALOGS.values(), ids=CATALOGS.keys())
def test_a_catalog_that_cannot_be_used_is_refused_in_one_sentence(
    small: Company, catalog: Any, told: str
) -> None:
    outcome = run(api=Api(small, authorization=KEY), catalog=catalog)
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert told in sentence
    assert not outcome.messages


@pytest.mark.slow
def test_a_catalog_of_an_older_version_is_used_as_it_is(small: Company) -> None:
    catalog = catalog_of(["sepa_transfers", "labels"])
    catalog["streams"] = [
        stream for stream in catalog["streams"] if stream["stream"] in ("labels", "sepa_transfers")
    ]
    for stream in catalog["streams"]:
        del stream["schema"]["properties"]["additional_properties"]
        stream["metadata"] = [
            item for item in stream["metadata"] if "additional_properties" not in item["breadcrumb"]
        ]
        stream.pop("replication_key", None)
        for item in stream["metadata"]:
            for name in ("replication-key", "valid-replication-keys"):
                item["metadata"].pop(name, None)
        if stream["stream"] == "labels":
            del stream["schema"]["properties"]["parent_id"]
    outcome = run(api=Api(small, authorization=KEY), catalog=catalog)
    assert outcome.exit_code == 0
    assert outcome.records.keys() == {"labels", "sepa_transfers"}
    assert set(outcome.records["labels"][0]) == {"organization_id", "id", "name"}
    assert "what the catalog does not know, in 'parent_id' " in outcome.log
    assert outcome.bookmark("sepa_transfers"), "a stream without its key is read whole every time"


def test_a_catalog_without_the_parent_of_a_stream_reads_it_all_the_same(small: Company) -> None:
    catalog = catalog_of(["statement_files"])
    catalog["streams"] = [one for one in catalog["streams"] if one["stream"] == "statement_files"]
    outcome = run(api=Api(small, authorization=KEY), catalog=catalog)
    assert outcome.exit_code == 0
    assert outcome.records.keys() == {"statement_files"}
    assert len(outcome.records["statement_files"]) == small.total("statements")


def test_an_unknown_stream_of_a_catalog_is_ignored_with_a_warning(small: Company) -> None:
    catalog = catalog_of(["labels"])
    catalog["streams"].append({"tap_stream_id": "horoscopes", "stream": "horoscopes"})
    outcome = run(api=Api(small, authorization=KEY), catalog=catalog)
    assert outcome.exit_code == 0
    assert "streams that do not exist; ignored: horoscopes" in outcome.log


@pytest.mark.usefixtures("leaving_by_exception")
@pytest.mark.parametrize("text", ["{", "", "\x00", "[" * 100_000, '"x"'])
@pytest.mark.parametrize("option", ["config", "state", "catalog"])
def test_a_file_that_is_no_json_is_told(
    text: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "input.json"
    path.write_text(text)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    ended = CliRunner().invoke(TapQonto.get_singer_command(), [f"--{option}={path}"])
    logging.captureWarnings(capture=False)
    assert ended.exit_code == 1
    assert caplog.messages[-1].startswith("The file ")
    assert caplog.messages[-1].endswith(f"given to --{option} is no JSON object")


def test_settings_of_the_sdk_that_make_no_sense_are_told(small: Company) -> None:
    settings = {"stream_maps": {"labels": {"name": "name +"}}}
    outcome = run(settings, api=Api(small, authorization=KEY), select=["labels"])
    assert outcome.exit_code == 1
    assert errors(outcome)
    assert "Internal error" not in outcome.log
    assert "Traceback" not in outcome.log
