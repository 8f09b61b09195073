"""When tokens are renewed: in time, and once for all who use them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.auth.clients import oauth, sent, sentence, start
from tests.kit.tokens import MARK, Clock, Tokens

if TYPE_CHECKING:
    from pathlib import Path


def test_a_token_is_replaced_sixty_seconds_before_it_expires(
    server: Tokens, store: Path, clock: Clock
) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    first = sent(auth)
    clock.sleep(3540)
    assert sent(auth) == first
    clock.sleep(1)
    assert sent(auth) != first
    assert len(server.spent) == 2


@pytest.mark.parametrize(("lifetime", "refreshes"), [(3600, 1), (60, 1), (20, 1), (1, 1)])
def test_short_lived_tokens_do_not_cause_a_storm(
    store: Path, clock: Clock, lifetime: int, refreshes: int
) -> None:
    with Tokens(clock, lifetime=lifetime) as server:
        auth = oauth(server, store, clock, refresh_token=server.seed())
        for _ in range(20):
            sent(auth)
        assert len(server.spent) == refreshes


def test_eight_threads_cause_one_refresh(server: Tokens, store: Path, clock: Clock) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    with ThreadPoolExecutor(8) as pool:
        headers = set(pool.map(lambda _: sent(auth), range(64)))
    assert headers == {f"Bearer {server.newest}"}
    assert len(server.spent) == 1


def test_eight_taps_of_one_process_cause_one_refresh(
    server: Tokens, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    taps = [oauth(server, store, clock, refresh_token=seed) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        headers = set(pool.map(sent, taps))
    assert headers == {f"Bearer {server.newest}"}
    assert len(server.spent) == 1


@pytest.mark.slow
def test_processes_with_one_store_cause_one_refresh(store: Path) -> None:
    with Tokens() as server:
        seed = server.seed()
        processes = [start(server, store, seed) for _ in range(3)]
        outputs = [process.communicate(timeout=60) for process in processes]
        assert [out for out, _ in outputs] == ["done\n"] * 3
        assert MARK not in str(outputs)
        assert server.spent == [seed]


def test_a_hanging_holder_of_the_lock_is_named_in_time(
    server: Tokens, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    server.faults.append("held")

    holder = threading.Thread(
        target=lambda: sent(oauth(server, store, clock, refresh_token=seed)), daemon=True
    )
    holder.start()
    assert server.working.wait(10)
    with sentence(str(store), "hanging"):
        sent(oauth(server, store, clock, refresh_token=seed, lock_timeout=0.2))
    assert server.spent == [seed]
    server.release()
    holder.join(10)
    assert sent(oauth(server, store, clock, refresh_token=seed)) == f"Bearer {server.newest}"


def test_a_refused_token_is_renewed_once_and_not_again(
    server: Tokens, store: Path, clock: Clock
) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    first = sent(auth)
    assert auth.renew(first) is True
    second = sent(auth)
    assert second == f"Bearer {server.newest}" != first
    assert auth.renew(second) is False
    assert auth.renew(second) is False
    assert len(server.spent) == 2
    assert "tap-qonto-login" in auth.describe()


def test_threads_that_were_refused_together_cause_one_refresh(
    server: Tokens, store: Path, clock: Clock
) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    first = sent(auth)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: auth.renew(first), range(8)))
    assert len(server.spent) == 2


def test_a_token_that_another_process_has_renewed_is_taken(
    server: Tokens, store: Path, clock: Clock
) -> None:
    ours, other = (oauth(server, store, clock, refresh_token=server.seed()) for _ in range(2))
    first = sent(oauth(server, store, clock, refresh_token=server.seed()))
    ours, other = (oauth(server, store, clock) for _ in range(2))
    assert sent(ours) == sent(other) == first
    assert other.renew(first) is True
    spent = len(server.spent)
    assert ours.renew(first) is True
    assert sent(ours) == sent(other) != first
    assert len(server.spent) == spent


def test_a_later_refresh_may_be_renewed_again(server: Tokens, store: Path, clock: Clock) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    assert auth.renew(sent(auth)) is True
    clock.sleep(3600)
    assert auth.renew(sent(auth)) is True
