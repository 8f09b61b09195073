"""Refusals of the token endpoint are told with their cause."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.errors import CredentialError
from tests.auth.clients import DAY, oauth, sent, sentence
from tests.kit.tokens import MARK, Clock, Tokens, json_reply

if TYPE_CHECKING:
    from pathlib import Path


def test_a_spent_seed_names_the_three_causes(server: Tokens, store: Path, clock: Clock) -> None:
    seed = server.seed()
    sent(oauth(server, store, clock, refresh_token=seed))
    clock.sleep(120)
    other = store.with_name("other.json")
    with sentence("invalid_grant", "90 days", "elsewhere", "client", "tap-qonto-login"):
        sent(oauth(server, other, clock, refresh_token=seed))


def test_a_refusal_is_no_lost_answer_for_the_next_run(
    server: Tokens, store: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with sentence("invalid_grant", "90 days", "elsewhere"):
            sent(oauth(server, store, clock, refresh_token=f"{MARK}-unknown"))
        clock.sleep(DAY)
    assert "no answer" not in caplog.text


def test_a_refused_new_seed_points_at_the_older_login(
    server: Tokens, store: Path, clock: Clock
) -> None:
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    with sentence("invalid_grant", "remove the setting refresh_token", str(store)):
        sent(oauth(server, store, clock, refresh_token=f"{MARK}-typo"))
    assert sent(oauth(server, store, clock)).endswith(server.newest)


def test_an_old_stored_token_has_expired(server: Tokens, store: Path, clock: Clock) -> None:
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    clock.sleep(94 * DAY)
    with sentence("has expired", "94 days ago", "90 days", "tap-qonto-login"):
        sent(oauth(server, store, clock))


def test_a_young_stored_token_was_spent_elsewhere(
    server: Tokens, store: Path, clock: Clock
) -> None:
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    copy = store.with_name("copy.json")
    copy.write_bytes(store.read_bytes())
    clock.sleep(2 * DAY)
    sent(oauth(server, copy, clock))
    clock.sleep(DAY)
    with sentence("3 days ago", "not expired", "elsewhere", "revoked", "tap-qonto-login"):
        sent(oauth(server, store, clock))


@pytest.mark.parametrize(
    "wrong", [{"client_id": "client-9"}, {"client_secret": f"{MARK}-old"}, {"client_secret": None}]
)
def test_a_wrong_client_is_named(
    server: Tokens, store: Path, clock: Clock, wrong: dict[str, Any]
) -> None:
    seed = server.seed()
    with sentence("401 invalid_client", "client_id or client_secret is wrong"):
        sent(oauth(server, store, clock, refresh_token=seed, **wrong))
    assert sent(oauth(server, store, clock, refresh_token=seed)).endswith(server.newest)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"errors": [{"code": "bad_request", "detail": "no"}]}, ("400 bad_request: no", "90 days")),
        ({"errors": {"code": "bad_request"}}, ("400 bad_request", "elsewhere")),
        ({"message": "Bad Request", "trace_id": "t-1"}, ("400", "Bad Request", "trace id t-1")),
        ({"error": 7, "error_description": "x" * 5000}, ("400 7",)),
    ],
)
def test_other_refusals_are_read_in_all_their_shapes(
    server: Tokens, store: Path, clock: Clock, answer: Any, words: tuple[str, ...]
) -> None:
    server.faults.append(json_reply(400, answer))
    with sentence(*words):
        sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert len(server.forms) == 1


def test_eight_threads_cause_one_refusal(server: Tokens, store: Path, clock: Clock) -> None:
    auth = oauth(server, store, clock, refresh_token=f"{MARK}-unknown")

    def refused(_: int) -> bool:
        with pytest.raises(CredentialError, match="invalid_grant"):
            sent(auth)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(refused, range(8)))
    assert server.refused == 1
