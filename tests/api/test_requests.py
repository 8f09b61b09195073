"""As many requests at once as wanted, and never more than Qonto allows."""

from __future__ import annotations

import bisect
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.rate import RateLimit, shared_file
from tap_qonto.demo import Api, Company, DemoServer, OAuth
from tests.kit import faults
from tests.kit.runner import PATIENCE, run

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_user_of_several_companies_names_the_one_that_is_read(
    company: Company, tmp_path: Path
) -> None:
    oauth = OAuth(client_id="app", client_secret="secret", refresh_token="seed")
    with DemoServer(Api(company, oauth=oauth, organization_required=True)) as server:
        settings = {
            "api_url": server.api_url,
            "token_url": server.token_url,
            "token_store": str(tmp_path / "tokens.json"),
            "client_id": "app",
            "client_secret": "secret",
            "refresh_token": "seed",
        }
        named = {"organization_id": company.organization_id}
        refused, done = (run(settings | more, select=["labels"]) for more in ({}, named))
    assert not refused.records
    assert done.exit_code == 0, done.log
    assert done.records["labels"]


@pytest.mark.slow
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
@pytest.mark.slow
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


class Hours:
    """A clock for processes, which only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.sent: list[float] = []

    def limit(self, path: Path | None, share: float = 0.9) -> RateLimit:
        """Return the limit of one process."""
        return RateLimit(share, path, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds + 0.001

    def send(self, limit: RateLimit, requests: int) -> None:
        """Send so many requests as fast as is allowed."""
        for _ in range(requests):
            limit.wait()
            self.sent.append(self.now)

    def most_within(self, seconds: float) -> int:
        """Return the most requests that were sent within so many seconds."""
        return max(
            bisect.bisect_left(self.sent, at + seconds) - first
            for first, at in enumerate(self.sent)
        )


@pytest.mark.parametrize("share", [0.02, 0.9, 1.0])
def test_the_rate_limit_is_kept_in_every_window(share: float) -> None:
    hours = Hours()
    hours.send(hours.limit(None, share), int(25_000 * share))
    assert hours.most_within(10) == 1_000 * share
    assert hours.most_within(600) == 10_000 * share


def test_runs_that_follow_each_other_quickly_share_one_rate_limit(tmp_path: Path) -> None:
    hours = Hours()
    for _ in range(60):  # a crash loop
        hours.send(hours.limit(tmp_path / "state" / "rate-limit"), 300)
        hours.now += 0.5
    assert hours.most_within(10) == 900
    assert hours.most_within(600) == 9_000


def test_a_clock_that_was_wrong_keeps_no_run_waiting(tmp_path: Path) -> None:
    hours = Hours()
    path = tmp_path / "rate-limit"
    hours.now += 86_400
    hours.send(hours.limit(path), 900)
    hours.now -= 86_400
    began = hours.now
    hours.limit(path).wait()
    assert hours.now == began


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 80_008])
def test_a_damaged_file_of_the_rate_limit_is_no_obstacle(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rate-limit"
    path.write_bytes(content)
    hours = Hours()
    hours.send(hours.limit(path), 1_000)
    assert hours.now < 1_700_000_000 + 3_600


def test_a_place_where_nothing_can_be_written_leaves_the_limit_to_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    hours = Hours()
    hours.send(hours.limit(tmp_path / "file" / "rate-limit"), 1_000)
    assert hours.most_within(10) == 900


def test_every_request_of_a_run_counts_beside_the_token_store(
    tmp_path: Path, slept: list[float]
) -> None:
    store = tmp_path / "tokens" / "store.json"
    config = {"token_store": str(store), "rate_limit_share": 0.9}
    done = run(config, api=Api(Company(transactions=60)), select=["labels", "teams"])
    assert done.exit_code == 0
    assert not slept
    (file,) = store.parent.glob("rate-limit-127.0.0.1_*[0-9]")
    shared = file.read_bytes()
    assert int.from_bytes(shared[:8], "little") == len(done.requests)


@pytest.mark.skipif(sys.platform != "linux", reason="looks where Linux keeps such files")
def test_no_test_writes_into_the_folders_of_whoever_runs_it(own_home: Path) -> None:
    run({"rate_limit_share": 0.9}, api=Api(Company(transactions=60)), select=["labels"])
    assert len(list(own_home.rglob("rate-limit-*"))) == 2, "a file and its lock"


def test_each_server_has_a_limit_of_its_own(tmp_path: Path) -> None:
    now = time.time()
    files = {
        shared_file(tmp_path, url, now)
        for url in (None, "http://127.0.0.1:1/v2", "http://127.0.0.1:2/v2", "https://a.b/v2")
    }
    assert len(files) == 4
    assert all(file.parent == tmp_path for file in files)
    (tmp_path / "rate-limit-gone").touch()
    shared_file(tmp_path, "https://a.b/v2", now + 3_000)
    assert (tmp_path / "rate-limit-gone").exists()
    shared_file(tmp_path, "https://a.b/v2", now + 4_000)
    assert not (tmp_path / "rate-limit-gone").exists()


@pytest.mark.slow
def test_an_incremental_run_without_news_asks_once_per_list_and_account() -> None:
    company = Company(transactions=300)
    api = Api(company)
    earlier = run(api=api)
    later: Any = run(api=api, state=earlier.state)
    by_path: dict[str, int] = {}
    for request in later.requests:
        by_path[request.path] = by_path.get(request.path, 0) + 1
    # Counts: of each of 4 statuses, and of those that Qonto knows in both orders.
    comparison = 6
    assert by_path["/v2/transactions"] == comparison + len(company.accounts)
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
        threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        key = {"login": "acme-1234", "secret_key": "secret"}
        done = run({**key, "api_url": "http://localhost:1/v2"}, select=["labels"])
        proxy.shutdown()
    assert done.exit_code == 0, done.log
    assert {url.split("?")[0] for url in asked} == {"http://localhost:1/v2/labels"}


@pytest.mark.usefixtures("slept")
@pytest.mark.slow
def test_a_proxy_that_answers_byte_by_byte_is_bounded_by_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with faults.endless_headers() as url:
        monkeypatch.setenv("https_proxy", url.removesuffix("/v2"))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        key = {"login": "acme-1234", "secret_key": "secret", "request_timeout": 0.2}
        began = time.monotonic()
        done = run({**key, "api_url": "https://api.example/v2"}, select=["labels"])
    assert done.exit_code == 1
    assert time.monotonic() - began < PATIENCE
    assert "Gave up after 6 attempts" in done.log
