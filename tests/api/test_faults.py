"""Faults that pass cost a retry and no row; those that last are given up in one sentence."""

from __future__ import annotations

import gzip
import queue
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from tap_qonto.api.answers import Reply
from tap_qonto.api.client import Client
from tap_qonto.api.pages import Query
from tap_qonto.api.transport import Transport
from tap_qonto.demo import Api, Company, DemoServer
from tap_qonto.machine import Machine
from tests.api.failing import errors, failing, retries
from tests.kit import faults
from tests.kit.cases import some, thorough
from tests.kit.faults import answer
from tests.kit.runner import PATIENCE, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Request, Response
    from tests.kit.faults import Fault

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


@pytest.mark.parametrize(
    ("fault", "told"),
    thorough(
        PASSING,
        *("429 with a date", "429 with nonsense", "500", "503"),
        *("reset", "cut by length", "cut in chunks"),
    ),
)
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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "answered",
    thorough(SAVED, "206", "200 and nothing in it", "gzip that is cut", "a chunk of 16 exabytes"),
)
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
    "told",
    some(
        ["0", "-5", "0.0", "Mon, 23 Nov 2020 10:00:00 GMT", "-inf", "nan", "1e999"],
        *("-5", "Mon, 23 Nov 2020 10:00:00 GMT", "nan"),
    ),
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


@pytest.mark.slow
def test_a_body_without_end_is_given_up_in_one_sentence(small: Company, waits: list[float]) -> None:
    api = failing(small, "/labels", always=faults.dribble)
    outcome = run({"request_timeout": 0.2}, api=api, select=["labels"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert "not complete within request_timeout" in sentence
    assert "Gave up after 6 attempts" in sentence
    assert len(waits) == 5


@pytest.mark.slow
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


class AnsweringAtOnce(RefusingAtOnce):
    """All first answers come at the same moment, and are good."""

    @override
    def send(self, _method: str, path: str, _params: object) -> Reply:
        self._barrier.wait(PATIENCE)
        return Reply(200, {"Content-Type": "application/json"}, b"{}", 0.0)


@pytest.mark.parametrize("late", [False, True])
def test_it_is_told_once_that_the_credentials_are_accepted(late: bool) -> None:
    told: list[str] = []
    transport: Any = AnsweringAtOnce(8)
    together = threading.Barrier(8)
    machine = Machine(stopwatch=lambda: float(together.wait(PATIENCE)))
    client = Client(transport, concurrency=8, machine=machine)
    if not late:
        client.when_proven(lambda: told.append("accepted"))
    list(ThreadPoolExecutor(8).map(client.get, [Query("labels", f"/{n}") for n in range(8)]))
    if late:
        client.when_proven(lambda: told.append("accepted"))
    client.close()
    assert told == ["accepted"]


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
