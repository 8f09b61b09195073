"""No secret and no signed link leaves the tap, whatever happens and however much it logs."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from click.testing import CliRunner
from typing_extensions import override

from tap_qonto.demo import Api, Company, DemoServer, OAuth, Response
from tap_qonto.streams.organization import Labels
from tap_qonto.tap import TapQonto
from tests.api.planted import LOGIN, PLANT, SECRET_KEY, SIGNED
from tests.kit import faults
from tests.kit.cases import thorough
from tests.kit.faults import Faults, answer
from tests.kit.runner import (
    PATIENCE,
    catalog_of,
    log_of,
    run,
    run_process,
    serving,
    start_process,
    tap_with,
)

if TYPE_CHECKING:
    from tap_qonto.demo import Request
    from tests.kit.faults import Fault
    from tests.kit.runner import Run

Row = dict[str, Any]

STAGING_TOKEN = f"{PLANT}-staging"
CLIENT_SECRET = f"{PLANT}-client"
REFRESH_TOKEN = f"{PLANT}-refresh"
ACCESS_TOKEN = f"{PLANT}-access"
WEBHOOK_SECRET = f"{PLANT}-webhook"

EVERYTHING = {"TAP_QONTO_LOGLEVEL": "DEBUG"}


@pytest.fixture(scope="module")
def world() -> Company:
    company = Company(transactions=60, receipt_bytes=2_000)
    webhook = next(company.rows("webhook_subscriptions"))
    company.put("webhook_subscriptions", webhook | {"secret": WEBHOOK_SECRET})
    return company


def key_settings(server: DemoServer) -> Row:
    return {
        "api_url": server.api_url,
        "login": LOGIN,
        "secret_key": SECRET_KEY,
        "rate_limit_share": 1_000,
    }


def oauth_settings(server: DemoServer, store: Path) -> Row:
    return {
        "api_url": server.api_url,
        "token_url": server.token_url,
        "token_store": str(store),
        "client_id": "demo-client",
        "client_secret": CLIENT_SECRET,
        "refresh_token": REFRESH_TOKEN,
        "rate_limit_share": 1_000,
    }


def key_api(world: Company, *hooks: Faults, **rules: Any) -> Api:
    api = Api(world, authorization=f"{LOGIN}:{SECRET_KEY}", **rules)
    api.before.extend(hooks)
    return api


def written(outcome: Run) -> str:
    """Return everything that a run has written."""
    return outcome.log + json.dumps(outcome.messages, default=str, ensure_ascii=False)


def assert_clean(*texts: str) -> None:
    for text in texts:
        assert PLANT not in text
        assert SIGNED not in text


@pytest.mark.slow
def test_a_run_with_an_api_key_shows_no_secret(world: Company, tmp_path: Path) -> None:
    api = key_api(world, staging_token=STAGING_TOKEN)
    with serving(api) as server:
        settings = key_settings(server) | {
            "environment": "sandbox",
            "staging_token": STAGING_TOKEN,
            "attachments_path": str(tmp_path),
        }
        outcome = run_process(settings, env=EVERYTHING, catalog=catalog_of())
        assert any(request.path.startswith("/files/") for request in server.requests)
    assert outcome.exit_code == 0
    assert " DEBUG " in outcome.log
    assert outcome.records["transactions"]
    assert_clean(written(outcome))


@pytest.mark.slow
def test_a_run_with_oauth_shows_no_secret(world: Company, tmp_path: Path) -> None:
    oauth = OAuth(client_secret=CLIENT_SECRET, refresh_token=REFRESH_TOKEN, mark=PLANT)
    with serving(Api(world, oauth=oauth)) as server:
        settings = oauth_settings(server, tmp_path / "store.json")
        outcome = run_process(settings, env=EVERYTHING, catalog=catalog_of())
        sent = {request.headers.get("Authorization", "") for request in server.requests}
    assert outcome.exit_code == 0
    assert outcome.records["webhook_subscriptions"]
    assert any(PLANT in header for header in sent), "the test has planted nothing"
    stored = json.loads((tmp_path / "store.json").read_text())
    for name in ("access_token", "refresh_token"):
        assert stored[name], "the one place for tokens"
        assert stored[name] not in written(outcome)
    assert_clean(written(outcome))


@pytest.mark.slow
def test_a_run_with_settings_from_the_environment_shows_no_secret(world: Company) -> None:
    oauth = OAuth(client_secret=CLIENT_SECRET, mark=PLANT)
    oauth.issue(ACCESS_TOKEN)
    with serving(Api(world, oauth=oauth)) as server:
        env = {"TAP_QONTO_API_URL": server.api_url, "TAP_QONTO_ACCESS_TOKEN": ACCESS_TOKEN}
        options = ["--config=ENV"]
        outcome = run_process({}, env=EVERYTHING | env, options=options)
    assert outcome.exit_code == 0
    assert outcome.records["labels"]
    assert_clean(written(outcome))


@pytest.mark.parametrize("options", [["--about"], ["--about", "--format=json"], ["--discover"]])
@pytest.mark.slow
def test_what_a_tap_tells_about_itself_holds_no_secret(options: list[str]) -> None:
    settings = {"login": LOGIN, "secret_key": SECRET_KEY, "staging_token": STAGING_TOKEN}
    with start_process(settings, env=EVERYTHING, options=options) as process:
        assert process.stdout
        output = process.stdout.read().decode()
        assert process.wait(PATIENCE) == 0
        log = log_of(process)
    assert "secret_key" in output or "streams" in output
    assert_clean(output, log)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")
@pytest.mark.slow
def test_no_process_carries_a_secret_in_its_arguments(world: Company) -> None:
    api = key_api(world, Faults("/labels", always=faults.dribble))
    with serving(api) as server:
        settings = key_settings(server)
        with start_process(settings, catalog=catalog_of(["labels"])) as process:
            until = time.monotonic() + PATIENCE
            while not server.requests and time.monotonic() < until:
                time.sleep(0.02)
            assert process.poll() is None
            arguments = []
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    arguments.append(path.read_text(errors="replace"))
    assert any("tap-qonto" in text for text in arguments)
    assert_clean(*arguments)


def echo(status: int, kind: str) -> Fault:
    """Answer with what the request carried, as careless servers do."""

    def fault(request: Request) -> Response:
        said = request.headers.get("Authorization", "")
        link = f"https://files.example.com/a.pdf?{SIGNED}=abc"
        if kind == "html":
            page = f"<html>Authorization: {said} <a href='{link}'>file</a></html>"
            return Response(status, {"Content-Type": "text/html"}, page.encode())
        body = {"code": said[:60], "detail": f"{said} {link}", "trace_id": said}
        document = {"errors": [body], "trace_id": said} if kind == "list" else body
        return Response(status, faults.JSON, json.dumps(document).encode())

    return fault


ECHOES = {
    f"{status} {kind}": echo(status, kind)
    for status in (200, 400, 401, 403, 404, 422, 500)
    for kind in ("html", "list", "flat")
}


@pytest.mark.usefixtures("slept")
@pytest.mark.parametrize(
    "fault",
    thorough(ECHOES, "200 html", "400 list", "401 flat", "403 list", "404 html", "422 flat"),
)
def test_a_server_that_repeats_the_credentials_does_not_bring_them_into_the_log(
    world: Company, fault: Fault
) -> None:
    api = key_api(world, Faults("/labels", always=fault))
    with serving(api) as server:
        outcome = run(key_settings(server), select=["labels", "teams"], log_level=logging.DEBUG)
    assert "GET /labels answered" in outcome.log
    assert_clean(written(outcome))


def test_a_redirect_that_carries_a_secret_is_not_quoted(world: Company) -> None:
    place = f"https://elsewhere.example.com/?token={PLANT}&{SIGNED}=abc"
    api = key_api(world, Faults("/labels", always=answer(302, Location=place)))
    with serving(api) as server:
        outcome = run(key_settings(server), select=["labels"], log_level=logging.DEBUG)
    assert outcome.exit_code == 1
    assert_clean(written(outcome))


def test_a_refused_refresh_shows_no_token(world: Company, tmp_path: Path) -> None:
    oauth = OAuth(client_secret=CLIENT_SECRET, mark=PLANT)
    with serving(Api(world, oauth=oauth)) as server:
        settings = oauth_settings(server, tmp_path / "store.json")
        outcome = run(settings, select=["labels"], log_level=logging.DEBUG)
    assert outcome.exit_code == 1
    assert "ERROR" in outcome.log
    assert_clean(written(outcome))


@pytest.mark.parametrize("error", [KeyError, OSError, ValueError, RuntimeError])
def test_an_exception_that_quotes_a_secret_is_logged_without_it_even_at_debug(
    world: Company, error: type[Exception]
) -> None:
    class Broken(Labels):
        @override
        def rows(self, context: object) -> NoReturn:
            msg = f"cannot send {{'Authorization': '{LOGIN}:{SECRET_KEY}'}} to /?{SIGNED}=abc"
            raise error(SECRET_KEY) from ValueError(msg)

    tap = tap_with(Broken)
    with serving(key_api(world)) as server:
        outcome = run(key_settings(server), select=["labels"], log_level=logging.DEBUG, tap=tap)
    assert outcome.exit_code == 1
    assert "Traceback" in outcome.log
    assert_clean(written(outcome))


def test_settings_in_the_wrong_place_are_not_quoted() -> None:
    for settings in (
        {"secret_kye": SECRET_KEY},
        {"login": LOGIN, "secret_key": [SECRET_KEY]},
        {"login": LOGIN, "secret_key": SECRET_KEY, "refresh_token": REFRESH_TOKEN},
        {"login": LOGIN, "secret_key": SECRET_KEY, "environment": SECRET_KEY},
        {"login": LOGIN, "secret_key": SECRET_KEY, "start_date": SECRET_KEY},
        {"login": LOGIN, "secret_key": f"{SECRET_KEY}\r\nX: y"},
        {"login": LOGIN, "secret_key": SECRET_KEY, "concurrency": SECRET_KEY},
    ):
        outcome = run(settings, log_level=logging.DEBUG)
        assert outcome.exit_code == 1
        assert_clean(outcome.log)


def test_a_deselected_property_is_in_no_record_and_no_schema(world: Company) -> None:
    catalog = catalog_of(["memberships"], without={"memberships": ["email"]})
    with serving(key_api(world)) as server:
        outcome = run(key_settings(server), catalog=catalog)
    assert len(outcome.records["memberships"]) == world.total("memberships")
    assert all("email" not in row for row in outcome.records["memberships"])
    (schema,) = outcome.schemas["memberships"]
    assert "email" not in schema["schema"]["properties"]
    addresses = [row["email"] for row in world.rows("memberships")]
    assert addresses
    assert not any(address in written(outcome) for address in addresses)


def test_batch_which_ignores_the_selection_cannot_be_switched_on(
    world: Company, tmp_path: Path
) -> None:
    batch = {
        "encoding": {"format": "jsonl", "compression": "none"},
        "storage": {"root": tmp_path.as_uri(), "prefix": "batch-"},
    }
    with serving(key_api(world)) as server:
        outcome = run(key_settings(server) | {"batch_config": batch}, select=["memberships"])
    assert outcome.exit_code == 1
    assert "The setting 'batch_config' does not exist" in outcome.log
    assert not list(tmp_path.iterdir())
    about = CliRunner().invoke(TapQonto.get_singer_command(), ["--about", "--format=json"])
    assert "batch" not in json.loads(about.stdout)["capabilities"]
