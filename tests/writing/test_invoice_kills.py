"""A run that dies anywhere is finished by the next: one client, one invoice, each document once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.cases import some, thorough
from tests.writing.office import CLIENT, INVOICE, Made, Office, office_at
from tests.writing.runs import Killer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_qonto.demo import Request, Response

SUPPLIER, CLIENTS, INVOICES = "new_supplier_invoices", "new_clients", "new_client_invoices"

CASES: dict[str, Callable[[Office], dict[str, Any]]] = {
    "documents": lambda office: {SUPPLIER: office.documents(2)},
    "a client and an invoice": lambda _: {CLIENTS: [CLIENT], INVOICES: [INVOICE]},
    "an invoice with a number": lambda _: {
        CLIENTS: [CLIENT], INVOICES: [INVOICE | {"number": "A-7"}],
    },
}  # fmt: skip


LATER = {"at once": 0, "after the keys are forgotten": 3_600}
"""Seconds between a run that died and the next."""


def _all_once(office: Office, made: Made, rows: dict[str, Any]) -> None:
    last = office.send(rows)
    assert last.exit_code == 0, last.log
    assert set(office.statuses.values()) <= {"sent", "already_sent"}
    for stream, records in rows.items():
        name = stream.removeprefix("new_")
        assert len(made(name)) == len(records), stream
    assert all(row["status"] == "unpaid" for row in made("client_invoices"))
    documents = list((office.folder / "documents").glob("client_invoice_attachments/*/*.pdf"))
    assert len(documents) == len(rows.get(INVOICES, ()))


@pytest.mark.slow
@pytest.mark.parametrize("later", LATER.values(), ids=LATER)
@pytest.mark.parametrize("case", CASES)
def test_a_run_that_dies_anywhere_is_finished_by_the_next(
    case: str, later: int, tmp_path: Path
) -> None:
    killer = Killer()
    number = 0
    while True:
        folder = tmp_path / str(number)
        folder.mkdir()
        with office_at(folder) as (office, made):
            rows = CASES[case](office)
            killer = Killer(number)
            office.die(rows, killer)
            office.clock[0] += later
            _all_once(office, made, rows)
        if len(killer.places) <= number:
            break
        number += 1
    assert number > 10


LOSABLE = {
    "an upload": ("documents", "/attachments"),
    "supplier invoices": ("documents", "/supplier_invoices/bulk"),
    "a client": ("a client and an invoice", "/clients"),
    "a draft": ("a client and an invoice", "/client_invoices"),
    "a draft with a number": ("an invoice with a number", "/client_invoices"),
    "the step to final": ("a client and an invoice", "/finalize"),
}


@pytest.mark.parametrize("side", some(["request", "answer"], "answer"))
@pytest.mark.parametrize(("case", "path"), thorough(LOSABLE, "supplier invoices", "a draft"))
def test_what_is_lost_is_looked_for_and_sent_once(
    case: str, path: str, side: str, tmp_path: Path
) -> None:
    lost: list[Request] = []

    def lose(request: Request, _response: Response | None = None) -> None:
        if request.method == "POST" and request.path.endswith(path) and not lost:
            lost.append(request)
            raise ConnectionError

    with office_at(tmp_path) as (office, made):
        rows = CASES[case](office)
        (office.api.before if side == "request" else office.api.after).append(lose)
        first = office.send(rows)
        assert lost
        assert first.exit_code == 0, first.log
        _all_once(office, made, rows)
