"""A plan sends nothing; what is sent is what was approved, within limits and at little cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.pages import Query
from tap_qonto.writing.plan import NEVER
from tests.kit.cases import some, thorough
from tests.writing.bank import Bank, Row, iban, payee_id, row
from tests.writing.runs import run

if TYPE_CHECKING:
    from pathlib import Path

OTHER = Bank().other


def test_a_plan_sends_nothing_and_an_approved_run_sends_each_row_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    rows = [row(1), row(2)]
    shown = run(bank, rows, tmp_path, caplog)
    assert (shown.exit_code, shown.settled, bank.posts) == (0, False, [])
    assert set(shown.statuses.values()) == {"planned"}
    done = run(bank, rows, tmp_path, caplog, approve=shown.digest)
    assert (done.exit_code, done.settled) == (0, True), done.log
    assert bank.paid() == {"Invoice 1": 1, "Invoice 2": 1}
    again = run(bank, rows, tmp_path, caplog, approve=shown.digest)
    assert (again.exit_code, again.settled) == (0, True), again.log
    assert set(again.statuses.values()) == {"already_sent"}
    assert bank.paid() == {"Invoice 1": 1, "Invoice 2": 1}


def test_the_plan_is_the_pay_sheet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank(cents=1_820_107 + 80_000)
    bank.change_payee(1, name="Müller GmbH")
    bank.change_payee(2, name="Doe, Jane")
    bank.change_payee(3, name="Müller GmbH")
    done = row(3, external_id="INV-16", amount="800", reference="INV 16")
    run(bank, [done], tmp_path, caplog, approve="plan")
    bank.by_hand(2, amount_cents=111_050, reference="INV 18", days=4)
    rows = [
        row(1, external_id="INV-17", amount="1200", scheduled_date="2026-12-01"),
        row(2, external_id="INV-18", amount="1110.5", reference="INV 18", team="x", rate=1),
        done,
    ]
    told = run(bank, rows, tmp_path, caplog)
    digest = told.digest
    name = bank.get(Query("", "/organization"))["organization"]["name"]
    assert told.log.partition("Plan ")[2] == (
        f"{digest} for {name}, account …5663, 2 of 3 rows, 2,310.50 EUR "
        "(balance 18,201.07, after 15,890.57)\n"
        "  new_transfers  INV-17  Müller GmbH …0100  1,200.00  on 2026-12-01  send\n"
        "  new_transfers  INV-18  Doe, Jane …0200    1,110.50  at once        "
        'held: 1,110.50 "INV 18" was paid by hand on 2026-11-20\n'
        f"  new_transfers  INV-16  Müller GmbH …0300    800.00  {NEVER}              "
        "already sent on 2026-11-24\n"
        "  new_transfers: not used: team, rate\n"
        f"Nothing was sent. To send exactly this: approve = {digest}\n"
    )
    assert told.statuses == {"INV-17": "planned", "INV-18": "held", "INV-16": "already_sent"}


def test_a_result_row_tells_the_whole_story(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    told = run(bank, [row(1)], tmp_path, caplog, approve="plan")
    assert told.results == [
        {
            "run_id": "run-0001",
            "stream": "new_transfers",
            "external_id": "INV-1",
            "status": "sent",
            "qonto_id": bank.transfers[0]["id"],
            "qonto_status": "pending",
            "amount": "101.50",
            "currency": "EUR",
            "payee_check": "match",
            "code": None,
            "reason": None,
            "at": "2026-11-24T12:00:00.000000Z",
            "digest": told.digest,
        }
    ]


def test_what_is_sent_is_what_the_row_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    cells = row(1, amount="1500", note="November", scheduled_date="2026-12-01")
    assert run(bank, [cells], tmp_path, caplog, approve="plan").settled
    [body] = bank.bodies
    tag = body["transfer"].pop("note").removeprefix("November · q:")
    assert len(tag) == 12
    assert body["transfer"] == {
        "bank_account_id": bank.main,
        "beneficiary_id": payee_id(1),
        "reference": "Invoice 1",
        "amount": "1500.00",
        "scheduled_date": "2026-12-01",
    }
    assert body["vop_proof_token"].startswith("1|1|")


CHANGES: dict[str, Any] = {
    "another amount": lambda rows: [rows[0] | {"amount": "101.51"}, rows[1]],
    "another payee": lambda rows: [rows[0] | {"beneficiary_iban": iban(3)}, rows[1]],
    "another reference": lambda rows: [rows[0] | {"reference": "Invoice 9"}, rows[1]],
    "another note": lambda rows: [rows[0] | {"note": "x"}, rows[1]],
    "another day": lambda rows: [rows[0] | {"scheduled_date": "2026-12-24"}, rows[1]],
    "another account": lambda rows: [rows[0] | {"bank_account_id": OTHER}, rows[1]],
    "another name": lambda rows: [rows[0] | {"beneficiary_name": "Payee"}, rows[1]],
    "a row more": lambda rows: [*rows, row(3)],
    "a row less": lambda rows: rows[:1],
}


@pytest.mark.parametrize(
    "change", thorough(CHANGES, "another amount", "another payee", "another account", "a row more")
)
def test_a_digest_approves_exactly_one_content(
    change: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    rows = [row(1), row(2)]
    digest = run(bank, rows, tmp_path, caplog).digest
    told = run(bank, change(rows), tmp_path, caplog, approve=digest)
    assert (told.exit_code, bank.posts) == (3, [])
    assert told.sentence.startswith(f"Nothing was sent: {digest} was approved, and this is ")


def test_the_order_of_the_rows_and_spellings_of_a_cell_do_not_matter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    digest = run(bank, [row(1, note=""), row(2)], tmp_path, caplog).digest
    spaced = " ".join(iban(2)[start : start + 4] for start in range(0, 27, 4)).lower()
    rows = [
        row(2, beneficiary_iban=spaced, amount=Decimal("102.5"), _sdc_extracted_at="now"),
        row(1, note=None, amount="101.5"),
    ]
    assert run(bank, rows, tmp_path, caplog, approve=digest).settled


def test_a_row_that_is_held_after_it_was_shown_needs_a_new_approval(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    digest = run(bank, [row(1)], tmp_path, caplog).digest
    bank.by_hand(1)
    told = run(bank, [row(1)], tmp_path, caplog, approve=digest)
    assert (told.exit_code, bank.posts) == (3, [])
    # Shown as held and approved, it is paid.
    assert run(bank, [row(1)], tmp_path, caplog, approve=told.digest).settled
    assert bank.paid() == {"Invoice 1": 1}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "needs max_transfer"),
        ({"max_transfer": 20_000}, "needs max_total"),
        ({"max_total": 20_000}, "needs max_transfer"),
    ],
)
def test_within_limits_needs_limits(
    options: Row, sentence: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    told = run(bank, [row(1)], tmp_path, caplog, approve="within_limits", **options)
    assert (told.exit_code, bank.requests) == (2, [])
    assert sentence in told.sentence


@pytest.mark.parametrize("approve", some(["within_limits", "plan"], "plan"))
@pytest.mark.parametrize(
    ("max_transfer", "max_total", "sentence"),
    [
        (10_249, 100_000, "INV-2 is over max_transfer, 102.49 EUR"),
        (20_000, 20_399, "204.00 EUR is over max_total, 203.99 EUR"),
        (10_250, 20_400, ""),
    ],
)
def test_limits_hold_for_every_approval(
    approve: str,
    max_transfer: int,
    max_total: int,
    sentence: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bank = Bank()
    told = run(
        bank, [row(1), row(2)], tmp_path, caplog,
        approve=approve, max_transfer=max_transfer, max_total=max_total,
    )  # fmt: skip
    assert sentence in told.sentence
    assert (told.exit_code, bank.posts == []) == ((3, True) if sentence else (0, False))


def test_within_limits_sends_nothing_if_a_row_is_held(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    bank.by_hand(2)
    told = run(
        bank, [row(1), row(2)], tmp_path, caplog,
        approve="within_limits", max_transfer=100_000, max_total=100_000,
    )  # fmt: skip
    assert (told.exit_code, bank.posts) == (3, [])
    assert told.statuses == {"INV-1": "planned", "INV-2": "held"}


def test_more_than_the_account_holds_is_not_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(cents=20_399)
    told = run(bank, [row(1), row(2)], tmp_path, caplog, approve="plan")
    assert (told.exit_code, bank.posts) == (3, [])
    assert "204.00 EUR is more than account …5663 holds, 203.99 EUR" in told.sentence


HANDS: dict[str, tuple[Row, bool]] = {
    "the same": ({}, True),
    "written with other capitals": ({"reference": "INVOICE  1"}, True),
    "with a note that was edited": ({"note": "ok, paid"}, True),
    "30 days ago": ({"days": 29.9}, True),
    "longer ago": ({"days": 30.1}, False),
    "another amount": ({"amount_cents": 10_151}, False),
    "another reference": ({"reference": "Invoice 11"}, False),
    "another payee": ({"beneficiary_id": payee_id(2)}, False),
    "one that failed": ({"status": "declined"}, False),
    "one that was canceled": ({"status": "canceled"}, False),
    "one with a tag of ours": ({"note": "q:AAAAAAAAAAAA"}, False),
}


@pytest.mark.parametrize(
    ("hand", "is_held"),
    thorough(
        HANDS,
        *("with a note that was edited", "30 days ago", "another amount", "one that failed"),
    ),
)
def test_a_row_that_looks_paid_by_hand_is_held(
    hand: Row, is_held: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    bank.by_hand(1, **hand)
    told = run(bank, [row(1)], tmp_path, caplog)
    assert told.statuses == {"INV-1": "held" if is_held else "planned"}


@pytest.mark.slow
def test_500_transfers_cost_two_requests_and_two_commits_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(cents=10**10, people=500)
    commits: list[str] = []

    def count(place: str) -> None:
        if place.startswith("before") and place.endswith("on the disk"):
            commits.append(place)

    told = run(
        bank, [row(number) for number in range(1, 501)], tmp_path, caplog,
        approve="within_limits", max_transfer=10**9, max_total=10**9, stop_at=count,
    )  # fmt: skip
    assert told.settled
    assert len(bank.requests) <= 2 * 500 + 10
    assert len(commits) == 2 * 500


def test_a_day_is_over_when_it_is_over_everywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    today = datetime.fromtimestamp(bank.now, UTC).date()
    assert run(bank, [row(1, scheduled_date=today)], tmp_path, caplog).exit_code == 2  # no text
    told = run(bank, [row(1, scheduled_date=str(today))], tmp_path, caplog)
    assert told.exit_code == 0
    told = run(bank, [row(1, scheduled_date=str(today - timedelta(1)))], tmp_path, caplog)
    assert (told.exit_code, bank.posts) == (2, [])
    assert "has a scheduled_date that is over" in told.sentence
