"""The tap holds in every world that the demo server plays: everything comes, or is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tap_qonto.demo import WORLDS, Api, Company
from tap_qonto.streams import STREAMS
from tests.kit.runner import KEY, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slept")]

LISTS: Final = [s.name for s in STREAMS if s.selected_by_default and not s.parent_stream_type]
LISTS_WITH_IDS: Final = [
    name for name in LISTS if name not in {"organization", "subscription", "einvoicing_settings"}
]

_BY_ID: Final = {
    f"{name}_attachments" for name in ("client_invoice", "credit_note", "quote", "supplier_invoice")
}
_DOCUMENTS: Final = {*_BY_ID, "statement_files", "transaction_attachments"}

FAIL: Final[dict[str, set[str]]] = {
    "equal-keys": {"beneficiaries"},
    "crowded": {"labels", "memberships", "beneficiaries", "statements", "cards", "products"},
    "count-ahead-for-ever": {
        "beneficiaries", "cards", "clients", "labels", "memberships", "products", "sepa_transfers",
        "statements", "supplier_invoices", "teams", "transactions",
    },
    "keyless-row": {"labels"},
    "refused-stream": {"beneficiaries"},
    "invalid-stream": {"labels"},
    "faulty-stream": {"products"},
    "no-envelope": {"teams"},
    "no-count": {"clients"},
    "refused-documents": _BY_ID,
    "faulty-documents": _DOCUMENTS,
    "unsatisfiable-documents": _DOCUMENTS,
    "circling-documents": _DOCUMENTS,
    "no-links": _BY_ID,
    "other-sizes": _BY_ID,
}  # fmt: skip
"""Streams that say that they failed, by world; of every other one all rows are there."""

SKIPPED: Final = {"unauthorized-stream": {"cards"}, "refused-accounts": {"bank_accounts"}}
"""Streams that may not be read."""

LEAVING: Final = {
    "swap-in-window": {"transactions", "sepa_transfers", "clients", "supplier_invoices"},
    "clock-behind": {"clients"},
    "forgotten-account": {"bank_accounts", "transactions"},
    "reversed-unknown": {"transactions"},
}
"""Streams of which rows leave the window during the run, or are never shown."""


@pytest.mark.parametrize("world", WORLDS)
def test_everything_comes_or_is_told(
    world: str, tmp_path: Path, on_machine: Callable[..., None]
) -> None:
    company = Company(transactions=300, accounts=3)
    api = Api(company, authorization=KEY, **WORLDS[world].options)
    WORLDS[world].play(api)
    if world == "crowded":
        on_machine(ceiling=20)
    existed = {name: {row["id"] for row in company.rows(name)} for name in LISTS_WITH_IDS}
    done = run({"attachments_path": str(tmp_path), "pdf_timeout_seconds": 1}, api=api)
    assert set(re.findall(r"^ERROR \S+ (\w+): ", done.log, re.MULTILINE)) == FAIL.get(world, set())
    assert done.exit_code == (world in FAIL)
    skipped = SKIPPED.get(world, set())
    assert set(re.findall(r"^WARNING \S+ (\w+): skipped", done.log, re.MULTILINE)) == skipped
    assert "Internal error" not in done.log
    for name in set(LISTS_WITH_IDS) - FAIL.get(world, set()) - skipped - LEAVING.get(world, set()):
        remain = existed[name] & {row["id"] for row in company.rows(name)}
        assert remain <= {row["id"] for row in done.records.get(name, ())}, name
