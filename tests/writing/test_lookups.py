"""Lists that are searched before anything is written: what is there must be found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest
from typing_extensions import override

from tap_qonto.api.client import Client
from tap_qonto.api.errors import AnswerError, PastTheEndError
from tap_qonto.api.instants import shift
from tap_qonto.api.pages import Page
from tap_qonto.machine import Machine
from tap_qonto.writing.found import walk
from tap_qonto.writing.lookups import transfers_since
from tap_qonto.writing.payees import Payees

if TYPE_CHECKING:
    from tap_qonto.api.pages import Query
    from tap_qonto.api.transport import Transport

Row = dict[str, Any]

PAGE = 100


class Torn(Client):
    """Gets pages of two rows that are counted, of which the first ones lack one.

    Args:
        lacking: How many lack one.
    """

    def __init__(self, lacking: int) -> None:
        self.slept: list[float] = []
        machine = Machine(sleep=self.slept.append)
        super().__init__(cast("Transport", None), concurrency=1, machine=machine)
        self._lacking = lacking

    @override
    def page(self, query: Query, envelope: str, number: int, *, per_page: int = PAGE) -> Page:
        self._lacking -= 1
        held = [{"id": "1"}] if self._lacking >= 0 else [{"id": "1"}, {"id": "2"}]
        return Page(held, number, pages=1, total=2)


def test_a_page_that_holds_less_than_it_counts_is_asked_for_again() -> None:
    client = Torn(3)
    assert len(list(walk(client, "/clients"))) == 2
    assert client.slept == [0.5, 1.0, 2.0]


def test_nothing_is_looked_up_in_a_list_that_never_holds_what_it_counts() -> None:
    sentence = (
        "GET /sepa/transfers answered 1 of the 2 rows that it counts, however often it was asked. "
        "Run again"
    )
    with pytest.raises(AnswerError, match=re.escape(sentence)):
        list(transfers_since(Torn(4), None))


class Shelf:
    """A list of which the answers count fewer rows than there are.

    Args:
        rows: The rows, the last changed last.
        counted: What share of them is counted.
        repeats: Whether filters are ignored, and the last page is sent for any behind it.
    """

    def __init__(self, rows: list[Row], counted: float, *, repeats: bool = False) -> None:
        self._rows = rows
        self._counted = counted
        self._repeats = repeats

    def whole_page(self, query: Query, _envelope: str, number: int) -> Page:
        start = dict(query.params).get("updated_at_from", "")
        matching = [
            row for row in self._rows if self._repeats or row["updated_at"][:19] >= start[:19]
        ]
        if self._repeats:
            number = min(number, -(-len(matching) // PAGE))
        if number > 1 and not matching[(number - 1) * PAGE :]:
            raise PastTheEndError
        count = int(len(matching) * self._counted)
        held = matching[(number - 1) * PAGE : number * PAGE]
        return Page(held, number, pages=max(1, -(-count // PAGE)), total=count, size=PAGE)

    def get(self, query: Query) -> Row:
        raise AssertionError(query.path)


def rows(count: int, *, seconds: int) -> list[Row]:
    """Return rows of which each was changed so many seconds after the one before."""
    return [
        {
            "id": f"{number:04}",
            "updated_at": shift("2026-05-01T00:00:00.000000Z", number * seconds),
            "beneficiary_id": "payee",
            "bank_account": {"iban": f"FR{number}"},
        }
        for number in range(count)
    ]


@pytest.mark.parametrize("counted", [0.0, 0.47, 1.0])
@pytest.mark.parametrize("count", [100, 150, 200, 350])
@pytest.mark.parametrize("seconds", [0, 7])
def test_transfers_that_are_not_counted_yet_are_found(
    count: int, counted: float, seconds: int
) -> None:
    shelf = Shelf(rows(count, seconds=seconds), counted)
    found = [transfer.id for transfer in transfers_since(shelf, "2026-04-01T00:00:00.000000Z")]
    assert sorted(found) == [f"{n:04}" for n in range(count)]


@pytest.mark.parametrize("counted", [0.0, 0.47, 1.0])
def test_clients_that_are_not_counted_yet_are_found(counted: float) -> None:
    shelf = Shelf(rows(350, seconds=1), counted)
    assert len(list(walk(shelf, "/clients"))) == 350


@pytest.mark.parametrize("counted", [0.0, 0.47, 1.0])
@pytest.mark.parametrize("count", [300, 350])
def test_payees_that_are_not_counted_yet_are_found(count: int, counted: float) -> None:
    shelf = Shelf(rows(count, seconds=1), counted)
    assert len(Payees(shelf, ["FR7"], []).by_id) == count


@pytest.mark.parametrize("count", [100, 300])
def test_a_server_that_sends_its_last_page_for_any_behind_it_is_not_asked_for_ever(
    count: int,
) -> None:
    shelf = Shelf(rows(count, seconds=1), 0.97, repeats=True)
    assert len(list(walk(shelf, "/clients"))) == count
    assert len(Payees(shelf, ["FR7"], []).by_id) == count
    assert len(list(transfers_since(shelf, "2026-04-01T00:00:00.000000Z"))) == count
