"""Lists of which nobody knows whether Qonto sorts and filters them by their last change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tap_qonto.demo import Api, Company
from tests.kit.cases import some
from tests.kit.faults import answer
from tests.kit.runner import Run, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Request, Response

    Hook = Callable[[Request], Response | None]

STREAMS = ["clients", "supplier_invoices"]


def asks_for_changes(request: Request) -> bool:
    """Return whether a request wants a list in the order of its last changes."""
    return ("sort_by", "updated_at:asc") in request.query


def refusing(_api: Api) -> Hook:
    """Refuse the order, as a server does that does not know it."""
    refusal = answer(422, {"errors": [{"code": "invalid", "detail": "unknown sort"}]})
    return lambda request: refusal(request) if asks_for_changes(request) else None


def ignoring(*names: str) -> Callable[[Api], Hook]:
    """Ignore parameters: answer as if they had not been sent."""

    def hook(api: Api) -> Hook:
        plain = Api(api.company, page_limit=20)

        def answer_without(request: Request) -> Response | None:
            if not asks_for_changes(request):
                return None
            kept = [(name, value) for name, value in request.query if not name.startswith(names)]
            return plain(replace(request, query=kept))

        return answer_without

    return hook


SERVERS = {
    "refuses the order": refusing,
    "ignores the order": ignoring("sort_by"),
    "ignores order and filter": ignoring("sort_by", "filter[updated_at"),
}


@pytest.fixture
def big() -> Company:
    return Company(transactions=900)


def ids(outcome: Run, stream: str) -> set[str]:
    return {row["id"] for row in outcome.records.get(stream, ())}


@pytest.mark.parametrize("server", some(SERVERS, "ignores order and filter"))
@pytest.mark.parametrize("stream", some(STREAMS, "clients"))
def test_the_whole_list_is_read_where_the_order_is_not_to_be_had(
    big: Company, server: str, stream: str
) -> None:
    api = Api(big, page_limit=20)
    api.before.append(SERVERS[server](api))
    first = run(select=[stream], api=api)
    assert first.exit_code == 0, first.log
    assert ids(first, stream) == {row["id"] for row in big.rows(stream)}
    assert "the whole list is read instead" in first.log
    latest = max(row["updated_at"] for row in first.records[stream])
    assert first.state["bookmarks"][stream]["replication_key_value"] == latest


def disordered(company: Company, stream: str) -> Hook:
    """Send the 40 newest rows first, in order, so that rows are written before it shows."""
    rows = sorted(company.rows(stream), key=lambda row: str(row["updated_at"]))
    order = [*rows[-40:], *rows[:-40]]

    def hook(request: Request) -> Response | None:
        if not asks_for_changes(request):
            return None
        number = int(dict(request.query)["page"])
        meta = {"total_pages": -(-len(order) // 20), "total_count": len(order)}
        page = order[(number - 1) * 20 : number * 20]
        return answer(200, {stream: page, "meta": meta})(request)

    return hook


@pytest.mark.parametrize("stream", some(STREAMS, "clients"))
def test_a_read_that_breaks_off_leaves_no_bookmark_beyond_what_was_missed(
    big: Company, stream: str, on_machine: Callable[..., None]
) -> None:
    on_machine(tries=1)
    api = Api(big)
    api.before += [disordered(big, stream), answer(500)]
    broken = run(select=[stream], api=api)
    assert broken.exit_code == 1
    assert len(broken.records[stream]) >= 20, "rows were written before the disorder showed"
    assert "replication_key_value" not in broken.state["bookmarks"].get(stream, {})


@pytest.mark.parametrize("stream", some(STREAMS, "clients"))
def test_a_target_is_told_of_the_bookmark_that_was_taken_back_before_it_gets_more(
    big: Company, stream: str
) -> None:
    api = Api(big)
    api.before.append(disordered(big, stream))
    done = run(select=[stream], api=api)
    assert ids(done, stream) == {row["id"] for row in big.rows(stream)}
    places = [n for n, message in enumerate(done.messages) if message["type"] == "RECORD"]
    between = done.messages[places[19] + 1 : places[20]]
    assert [message["type"] for message in between] == ["STATE"]
    bookmark = between[0]["value"]["bookmarks"].get(stream, {})
    assert "replication_key_value" not in bookmark
