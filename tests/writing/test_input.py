"""Input and settings that cannot be used: one sentence, exit 2, and nothing is asked or sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.streams import STREAMS
from tap_qonto.target import TargetQonto
from tap_qonto.writing.rows import misspelt
from tests.kit.target import Row, load, messages
from tests.writing.bank import iban

if TYPE_CHECKING:
    from pathlib import Path

SECRET_IBAN = iban(4711)

ROW: Row = {
    "external_id": "INV-1",
    "amount": "10.50",
    "beneficiary_iban": SECRET_IBAN,
    "reference": "Rent of November",
}


def changed(**cells: Any) -> str:
    """Return an input of one row with other cells."""
    return messages([ROW | cells])


def batch(_: None = None) -> str:
    """Return an input with a BATCH message."""
    message = {
        "type": "BATCH",
        "stream": "new_transfers",
        "encoding": {"format": "jsonl", "compression": "none"},
        "manifest": ["/etc/hostname"],
    }
    return messages([]) + json.dumps(message) + "\n"


YESTERDAY = str(datetime.now(UTC).date() - timedelta(1))

REFUSED: dict[str, tuple[str, str]] = {
    "no external_id": (changed(external_id=None), "row 1 has no external_id"),
    "a blank external_id": (changed(external_id="  "), "row 1 has no external_id"),
    "an external_id of two lines": (changed(external_id="a\nb"), "line break"),
    "no amount": (changed(amount=""), "has no amount"),
    "an amount of three decimals": (changed(amount="10.505"), "more than two decimals"),
    "an amount of three decimals, as a number": (changed(amount=10.505), "more than two decimals"),
    "a thousand with a dot": (changed(amount="1.000"), "more than two decimals"),
    "an amount with a comma": (changed(amount="10,50"), "no plain number"),
    "an amount with a currency": (changed(amount="10 EUR"), "no plain number"),
    "an amount with an exponent": (changed(amount="1e3"), "no plain number"),
    "an amount of zero": (changed(amount="0.00"), "not above zero"),
    "a negative amount": (changed(amount=-5), "not above zero"),
    "a negative amount, as text": (changed(amount="-5"), "no plain number"),
    "an enormous amount": (changed(amount="1000000000000"), "too large"),
    "an amount that is true": (changed(amount=True), "no number"),
    "another currency": (changed(currency="USD"), "another currency than EUR"),
    "no payee": (changed(beneficiary_iban=None), "neither beneficiary_iban nor beneficiary_id"),
    "an IBAN that is none": (changed(beneficiary_iban="12345"), "no IBAN"),
    "an ID that is none": (changed(beneficiary_id="../x"), "no ID of Qonto"),
    "no reference": (changed(reference=""), "has no reference"),
    "a long reference": (changed(reference="x" * 141), "141 characters; 140 are the most"),
    "a reference of two lines": (changed(reference="a\nb"), "line break"),
    "a reference that is a list": (changed(reference=["a"]), "is no text"),
    "a long note": (changed(note="x" * 124), "124 characters; 123 are the most"),
    "a date of yesterday": (changed(scheduled_date=YESTERDAY), "a scheduled_date that is over"),
    "a date that is none": (changed(scheduled_date="01.12.2026"), "no date such as 2026-12-01"),
    "a time of day": (changed(scheduled_date="2099-12-01T10:00:00"), "no date such as 2026-12-01"),
    "more than 30,000 EUR without attachment": (changed(amount="30000.01"), "no attachment"),
    "an account that is not there": (
        changed(bank_account_id="nope"), "names an account that these credentials cannot debit",
    ),
    "17 and 17.0": (
        messages([ROW | {"external_id": 17}, ROW | {"external_id": 17.0}]), "in two spellings",
    ),
    "17 and 17.0, as text": (
        messages([ROW | {"external_id": "17"}, ROW | {"external_id": "17.0"}]),
        "in two spellings",
    ),
    "one name for two rows": (
        messages([ROW, ROW | {"amount": "7"}]), "two different rows with the external_id INV-1",
    ),
    "a misspelt column": (
        changed(scheduled_dat="2099-01-01"), "'scheduled_dat', which looks like 'scheduled_date'",
    ),
    "501 rows": (
        messages([ROW | {"external_id": number} for number in range(501)]),
        "More than 500 rows arrived",
    ),
    "a BATCH message": (batch(), "BATCH messages, which target-qonto does not take"),
    "an unknown stream": (messages([ROW], stream="payroll"), "payroll is no stream of"),
    "a stream of the tap": (
        messages([], stream="sepa_transfers"),
        "sepa_transfers is what Qonto already has. Rows to send come as new_transfers",
    ),
    "a row without a schema": (
        messages([ROW]).partition("\n")[2], "Line 1 of the input, a RECORD, cannot be used",
    ),
    "no JSON": (messages([ROW]) + '{"type": "RECORD", "stream', "Line 4 of the input is no"),
    "no object": ("[1]\n", "Line 1 of the input is no Singer message"),
    "an unknown message": ('{"type": "SECRET"}\n', "Line 1 of the input is no Singer message"),
    "a message without its parts": (
        '{"type": "RECORD", "record": {}}\n', "Line 1 of the input, a RECORD, cannot be used",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED)
def test_input_that_cannot_be_used_is_refused_with_one_sentence(text: str, sentence: str) -> None:
    done = load(text)
    assert (done.exit_code, done.output) == (2, ""), done.log
    [error] = done.errors
    assert sentence in error
    assert "Nothing was sent" in error
    assert "Traceback" not in done.log
    for cell in (SECRET_IBAN, "Rent of November", "10.50", "SECRET"):
        assert cell not in done.log


def test_bytes_that_are_no_text_are_refused_without_being_quoted() -> None:
    done = load(messages([ROW]).encode() + b"\xff\xfesecret\n")
    assert done.exit_code == 2
    assert "Line 4" in done.log
    assert "secret" not in done.log


@pytest.mark.parametrize("name", [stream.name for stream in STREAMS])
def test_every_stream_of_the_tap_is_refused_with_the_way_out(name: str) -> None:
    done = load(messages([], stream=name))
    assert done.exit_code == 2
    [error] = done.errors
    objects = ("clients", "client_invoices", "supplier_invoices")
    own = f"new_{name}" if name in objects else "new_transfers"
    assert error == (
        f"{name} is what Qonto already has. Rows to send come as {own}; rename the stream "
        "with stream_maps and __alias__. Nothing was sent"
    )


SPELLINGS = {
    "Amount": "amount",
    "ammount": "amount",
    "amonut": "amount",
    "external-id": "external_id",
    "externalId": "external_id",
    "benificiary_iban": "beneficiary_iban",
    "beneficiaryname": "beneficiary_name",
    "refrence": "reference",
    "notes": "note",
    "attachments": "attachment",
    "schedule_date": "scheduled_date",
    "beneficiary_bic": None,
    "beneficiary_email": None,
    "internal_id": None,
    "due_date": None,
    "team": None,
    "id": None,
    "name": None,
    "status": None,
    "updated_at": None,
}


@pytest.mark.parametrize(("name", "meant"), SPELLINGS.items())
def test_a_column_is_a_misspelling_if_few_letters_differ(name: str, meant: str | None) -> None:
    known = {
        "external_id", "amount", "beneficiary_iban", "beneficiary_id", "reference",
        "beneficiary_name", "scheduled_date", "note", "bank_account_id", "attachment",
    }  # fmt: skip
    assert misspelt(name, known) == meant


SETTINGS: dict[str, tuple[Row, str]] = {
    "an unknown one": ({"aprove": "x"}, "The setting 'aprove' does not exist; target-qonto"),
    "an approval that is none": ({"approve": "yes"}, "Set approve to the digest of a plan"),
    "a limit that is no amount": ({"max_total": "1,000"}, "Set max_total to an amount in EUR"),
    "a check that is none": ({"payee_check": "maybe"}, "Set payee_check to one of: match"),
    "no rows": ({"max_rows": 0}, "Set max_rows to an integer of at least 1"),
    "no limits": ({"approve": "within_limits"}, "approve is within_limits, which needs max_tran"),
    "an account that is not there": (
        {"bank_account_id": "nope"}, "The setting bank_account_id names an account that these",
    ),
    "no credentials": ({"environment": "production"}, "No credentials are set"),
}  # fmt: skip


@pytest.mark.parametrize(("config", "sentence"), SETTINGS.values(), ids=SETTINGS)
def test_settings_that_cannot_be_used_are_refused_with_one_sentence(
    config: Row, sentence: str
) -> None:
    done = load(messages([ROW]), {"environment": "demo"} | config)
    assert (done.exit_code, done.output) == (2, ""), done.log
    [error] = done.errors
    assert sentence in error


def test_with_an_api_key_a_run_ends_before_its_first_request(tmp_path: Path) -> None:
    config = {
        "login": "acme", "secret_key": "secret-key",
        "api_url": "http://127.0.0.1:9/v2", "journal_path": str(tmp_path),
    }  # fmt: skip
    done = load(messages([ROW]), config)
    assert done.exit_code == 2
    [error] = done.errors
    assert error.startswith("Payments need OAuth with the scope payment.write")
    assert "tap-qonto-login" in error
    assert not list(tmp_path.iterdir())


def test_amounts_in_settings_may_be_numbers() -> None:
    config = {"environment": "demo", "max_transfer": 100, "max_total": 1500.5}
    assert load(messages([]), config).exit_code == 0


def test_about_shows_only_settings_that_mean_something_here(
    capsys: pytest.CaptureFixture[str],
) -> None:
    TargetQonto.print_about("json")
    about = json.loads(capsys.readouterr().out)
    names = set(about["settings"]["properties"])
    assert {"approve", "max_total", "journal_path", "stream_maps", "client_id"} <= names
    assert not names & {
        "add_record_metadata", "load_method", "batch_size_rows", "validate_records",
        "start_date", "lookback_seconds", "flattening_enabled",
    }  # fmt: skip
    assert about["capabilities"] == ["about", "stream-maps", "structured-logging"]
