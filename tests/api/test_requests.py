"""As many requests at once as wanted, and never more than Qonto allows."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pyrate_limiter
import pytest

from tap_qonto.demo import Api, Company
from tests.kit.runner import run

if TYPE_CHECKING:
    from tap_qonto.demo import Request


class Overlap:
    """Holds every request for a moment and notes how many are under way at once."""

    def __init__(self, seconds: float) -> None:
        self.most = 0
        self._seconds = seconds
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, _request: Request) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self._seconds)
        with self._lock:
            self._now -= 1


def test_a_concurrency_of_one_means_one_request_at_a_time() -> None:
    api = Api(Company(transactions=300), page_limit=20)
    overlap = Overlap(0.001)
    api.before.append(overlap)
    streams = ["transactions", "transaction_attachments", "clients", "beneficiaries", "products"]
    done = run({"concurrency": 1}, api=api, select=streams)
    assert done.exit_code == 0, done.log
    assert len(done.requests) > 50
    assert overlap.most == 1


@pytest.mark.parametrize("concurrency", [2, 8])
def test_pages_of_a_single_account_are_fetched_at_the_same_time(concurrency: int) -> None:
    company = Company(transactions=900, accounts=1)
    api = Api(company, page_limit=20)
    overlap = Overlap(0.05)
    api.before.append(overlap)
    config = {"concurrency": concurrency, "transaction_statuses": ["completed"]}
    done = run(config, api=api, select=["transactions"])
    assert overlap.most == concurrency
    keys = [row["updated_at"] for row in done.records["transactions"]]
    assert keys == sorted(keys), "emitted in order all the same"


@pytest.mark.parametrize(("share", "allowed"), [(0.02, 20), (0.03, 30)])
def test_the_rate_limit_is_kept_in_every_window(
    monkeypatch: pytest.MonkeyPatch, share: float, allowed: int
) -> None:
    hurry = 20  # a test shall not take Qonto's 10 seconds

    def faster(limit: int, interval: int) -> pyrate_limiter.Rate:
        return rate(limit, interval // hurry)

    rate = pyrate_limiter.Rate
    monkeypatch.setattr(pyrate_limiter, "Rate", faster)
    arrivals: list[float] = []
    api = Api(Company(transactions=600, accounts=1), page_limit=10)
    api.before.append(lambda _: arrivals.append(time.monotonic()))
    began = time.monotonic()
    done = run({"rate_limit_share": share}, api=api, select=["transactions"])
    assert done.exit_code == 0, done.log
    assert len(arrivals) > 2 * allowed
    arrivals.sort()
    window = 10 / hurry
    # Counted from before the run, because a busy machine makes a request late, but never early.
    for number, arrival in enumerate(arrivals):
        full = number // allowed
        assert arrival - began > full * window * 0.95, "one more than allowed within the windows"


def test_an_incremental_run_without_news_asks_once_per_list_and_status() -> None:
    company = Company(transactions=300)
    api = Api(company)
    earlier = run(api=api)
    later: Any = run(api=api, state=earlier.state)
    by_path: dict[str, int] = {}
    for request in later.requests:
        by_path[request.path] = by_path.get(request.path, 0) + 1
    assert by_path["/v2/transactions"] == 3 * len(company.accounts)
    assert by_path["/v2/sepa/transfers"] == 1
    assert by_path["/v2/clients"] == 1
    assert by_path["/v2/organization"] == 1


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = b'{"labels": [], "meta": {"total_pages": 1, "total_count": 0}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        key = {"login": "acme-1234", "secret_key": "secret"}
        done = run({**key, "api_url": "http://localhost:1/v2"}, select=["labels"])
        proxy.shutdown()
    assert done.exit_code == 0, done.log
    assert {url.split("?")[0] for url in asked} == {"http://localhost:1/v2/labels"}
