"""What every schema file promises, whatever its stream."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from tap_qonto.schemas import emitted

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS: dict[str, tuple[str, ...]] = {
    "organization": ("id",),
    "bank_accounts": ("id",),
    "transactions": ("id",),
    "labels": ("id",),
    "memberships": ("id",),
    "teams": ("id",),
    "beneficiaries": ("id",),
    "sepa_transfers": ("id",),
    "bulk_transfers": ("id",),
    "recurring_transfers": ("id",),
    "international_beneficiaries": ("id",),
    "statements": ("id",),
    "cards": ("id",),
    "requests": ("id",),
    "cash_flow_categories": ("id",),
    "subscription": ("code",),
    "client_invoices": ("id",),
    "credit_notes": ("id",),
    "quotes": ("id",),
    "products": ("id",),
    "clients": ("id",),
    "supplier_invoices": ("id",),
    "einvoicing_settings": ("organization_id",),
    "payment_links": ("id",),
    "payment_link_payments": ("payment_link_id", "id"),
    "terminals": ("id",),
    "webhook_subscriptions": ("id",),
    "direct_debit_mandates": ("id",),
    "direct_debit_subscriptions": ("id",),
    "direct_debit_collections": ("id",),
    "transaction_attachments": ("transaction_id", "id"),
    "client_invoice_attachments": ("client_invoice_id", "id"),
    "credit_note_attachments": ("credit_note_id", "id"),
    "quote_attachments": ("quote_id", "id"),
    "supplier_invoice_attachments": ("supplier_invoice_id", "id"),
    "statement_files": ("statement_id",),
}

WITHHELD = {
    "transactions.attachments[].url",
    "transactions.attachments[].probative_attachment.url",
    "statements.file.file_url",
    "webhook_subscriptions.secret",
    *(
        f"{stream}.{name}"
        for stream in KEYS
        if stream.endswith("_attachments")
        for name in ("url", "probative_attachment.url")
    ),
    "statement_files.file_url",
}

LASTING_LINKS = {
    "client_invoices.invoice_url",
    "credit_notes.invoice_url",
    "quotes.quote_url",
    "products.links[].url",
    "payment_links.url",
    "webhook_subscriptions.callback_url",
    "direct_debit_mandates.sign_url",
    "direct_debit_subscriptions.sign_url",
}

DOCUMENT_COLUMNS = {
    "file_name": "string",
    "file_size": "integer",
    "file_content_type": "string",
    "created_at": "string",
    "file_status": "string",
    "file_reason": "string",
    "file_path": "string",
    "file_sha256": "string",
    "stored_at": "string",
}

FACTURX_COLUMNS = {"facturx_profile", "facturx_xml"}
PROBATIVE_COLUMNS = {"probative_status", "probative_reason", "probative_path", "probative_sha256"}

KEYWORDS = {
    "type",
    "description",
    "format",
    "properties",
    "required",
    "additionalProperties",
    "items",
}

TIMES_AS_TEXT = {"organization.contract_signed_at"}
TIMESTAMPS_CALLED_DATES = {
    "payment_links.expiration_date",
    "direct_debit_mandates.mandate_signature_date",
}


class Place(NamedTuple):
    """A schema and the place where it stands."""

    path: str
    """Dotted names from the stream's down; the items of an array are called ``[]``."""
    schema: Any
    """The subschema: an object, or False for a withheld property."""

    @property
    def name(self) -> str:
        """The name of the property, or of the array for its items."""
        return self.path.rpartition(".")[2].removesuffix("[]")

    @property
    def types(self) -> set[str]:
        """The types of the values, null aside."""
        kinds = self.schema["type"]
        return {kinds} - {"null"} if isinstance(kinds, str) else set(kinds) - {"null"}

    @property
    def nullable(self) -> bool:
        """Whether the value may be null."""
        return "null" in self.schema["type"]


def text_of(stream: str) -> str:
    return resources.files("tap_qonto.schemas").joinpath(f"{stream}.json").read_text("utf-8")


def schema_of(stream: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(text_of(stream))
    return schema


def places_in(path: str, schema: Any) -> Iterator[Place]:
    """Yield every schema below the given one, withheld properties included."""
    if schema is False:
        return
    for name, inner in schema.get("properties", {}).items():
        place = Place(f"{path}.{name}", inner)
        yield place
        yield from places_in(place.path, inner)
    if "items" in schema:
        place = Place(f"{path}[]", schema["items"])
        yield place
        yield from places_in(place.path, place.schema)


PLACES = [
    place
    for stream in KEYS
    for place in places_in(stream, schema_of(stream))
    if place.schema is not False
]
PROPERTIES = [place for place in PLACES if not place.path.endswith("[]")]
LINKS_AND_SECRETS = ("url", "secret", "token", "password")

every_stream = pytest.mark.parametrize("stream", KEYS)


def test_each_stream_has_one_file_and_each_file_a_stream() -> None:
    files = resources.files("tap_qonto.schemas").iterdir()
    assert {f.name for f in files if f.name.endswith(".json")} == {f"{s}.json" for s in KEYS}


@every_stream
def test_a_file_is_a_valid_json_schema(stream: str) -> None:
    Draft202012Validator.check_schema(schema_of(stream))


@every_stream
def test_a_file_is_written_so_that_a_change_is_a_small_diff(stream: str) -> None:
    text = text_of(stream)
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


@every_stream
def test_rows_are_closed_and_new_columns_have_a_place(stream: str) -> None:
    schema = schema_of(stream)
    assert schema["type"] == "object"
    assert schema["description"]
    assert schema["additionalProperties"] is False
    place = Place("additional_properties", schema["properties"]["additional_properties"])
    assert place.types == {"object"}
    assert place.nullable


@every_stream
def test_the_key_is_promised_and_nothing_else_is_required(stream: str) -> None:
    schema = schema_of(stream)
    assert tuple(schema["required"]) == KEYS[stream]
    for name in KEYS[stream]:
        assert schema["properties"][name]["type"] == "string"


def test_no_keyword_would_reject_a_value_that_qonto_adds_later() -> None:
    assert [p.path for p in PLACES if not set(p.schema) <= KEYWORDS] == []
    assert [p.path for p in PLACES if "required" in p.schema] == []


def test_each_property_at_every_depth_is_described_in_a_sentence() -> None:
    assert [p.path for p in PROPERTIES if not p.schema.get("description", "").endswith(".")] == []


def test_each_column_has_exactly_one_type_besides_null() -> None:
    assert [p.path for p in PLACES if len(p.types) != 1] == []


def test_objects_inside_a_row_are_open_and_arrays_say_what_they_hold() -> None:
    objects = [p for p in PLACES if p.types == {"object"}]
    assert [p.path for p in objects if p.schema["additionalProperties"] is not True] == []
    assert [p.path for p in PLACES if ("items" in p.schema) != (p.types == {"array"})] == []


def test_links_that_expire_and_secrets_are_withheld() -> None:
    withheld = {
        place.path
        for stream in KEYS
        for place in places_in(stream, schema_of(stream))
        if place.schema is False
    }
    assert withheld == WITHHELD


def test_the_only_links_left_are_those_that_last() -> None:
    suspects = {p.path for p in PROPERTIES if p.name.endswith(LINKS_AND_SECRETS)}
    assert suspects == LASTING_LINKS


def test_only_text_has_a_format_and_only_that_of_a_date_or_a_time() -> None:
    formats = {p.schema["format"] for p in PLACES if "format" in p.schema}
    assert formats == {"date", "date-time"}
    assert [p.path for p in PLACES if "format" in p.schema and p.types != {"string"}] == []


def test_times_have_the_format_of_a_time_unless_qonto_writes_them_otherwise() -> None:
    times = [p for p in PROPERTIES if p.name.endswith("_at")]
    assert {p.path for p in times if p.schema.get("format") != "date-time"} == TIMES_AS_TEXT


def test_dates_have_the_format_of_a_date_unless_they_are_times() -> None:
    dates = [p for p in PROPERTIES if p.name.endswith("_date")]
    unlike = {p.path for p in dates if p.schema.get("format") != "date"}
    assert unlike == TIMESTAMPS_CALLED_DATES
    formats = {p.schema["format"] for p in dates if p.path in TIMESTAMPS_CALLED_DATES}
    assert formats == {"date-time"}


@pytest.mark.parametrize("path", ["cards.discard_on", "statements.period"])
def test_text_that_only_resembles_a_date_is_plain_text(path: str) -> None:
    (place,) = [p for p in PROPERTIES if p.path == path]
    assert place.types == {"string"}
    assert "format" not in place.schema


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        ("_cents", "integer"),
        ("_count", "integer"),
        ("file_size", "integer"),
        ("account_number", "string"),
        ("_id", "string"),
    ],
)
def test_names_that_end_alike_have_one_type_in_all_streams(suffix: str, kind: str) -> None:
    alike = [p for p in PROPERTIES if p.name.endswith(suffix)]
    assert alike
    assert [p.path for p in alike if p.types != {kind}] == []


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("transactions.amount", "number"),
        ("transactions.vat_rate", "number"),
        ("transactions.vat_details.items[].amount", "number"),
        ("transactions.vat_details.items[].rate", "number"),
        ("transactions.direct_debit_hold.guarding_rate", "number"),
        ("requests.amount", "string"),
        ("subscription.monthly_price.amount", "string"),
        ("client_invoices.total_amount.value", "string"),
        ("client_invoices.deposit_amount", "object"),
        ("client_invoices.items[].vat_rate", "string"),
        ("payment_links.items[].quantity", "number"),
        ("supplier_invoices.matched_transactions[]", "object"),
        ("supplier_invoices.taxes[].tax_rate", "string"),
    ],
)
def test_amounts_and_rates_keep_the_type_that_qonto_documents(column: str, kind: str) -> None:
    (place,) = [p for p in PLACES if p.path == column]
    assert place.types == {kind}


@pytest.mark.parametrize(
    "column",
    [
        "transactions.bank_account_id",
        "transactions.updated_at",
        "transactions.amount_cents",
        "sepa_transfers.updated_at",
        "supplier_invoices.created_at",
        "international_beneficiaries.currency",
    ],
)
def test_a_column_that_is_always_there_is_promised(column: str) -> None:
    (place,) = [p for p in PROPERTIES if p.path == column]
    assert not place.nullable


@pytest.mark.parametrize(
    "column",
    [
        "bank_accounts.balance",
        "client_invoices.updated_at",
        "client_invoices.items",
        "client_invoices.attachment_id",
        "transactions.created_at",
        "transactions.vat_details",
        "memberships.role",
    ],
)
def test_a_column_that_may_be_missing_is_nullable(column: str) -> None:
    (place,) = [p for p in PROPERTIES if p.path == column]
    assert place.nullable


@pytest.mark.parametrize(
    ("stream", "further"),
    [
        (
            "transaction_attachments",
            {"probative_attachment", "probative_attachment_status", *PROBATIVE_COLUMNS},
        ),
        (
            "client_invoice_attachments",
            {"probative_attachment", "probative_attachment_status", *FACTURX_COLUMNS},
        ),
        ("credit_note_attachments", {"probative_attachment", "probative_attachment_status"}),
        ("quote_attachments", {"probative_attachment", "probative_attachment_status"}),
        (
            "supplier_invoice_attachments",
            {"probative_attachment", "probative_attachment_status", *FACTURX_COLUMNS},
        ),
        ("statement_files", {"bank_account_id", "period"}),
    ],
)
def test_document_streams_share_their_columns(stream: str, further: set[str]) -> None:
    columns = {
        place.name: place
        for place in places_in(stream, schema_of(stream))
        if place.schema is not False and "probative_attachment." not in place.path
    }
    own = {*KEYS[stream], *further, "additional_properties"}
    assert set(columns) == own | set(DOCUMENT_COLUMNS)
    for name, kind in DOCUMENT_COLUMNS.items():
        assert columns[name].types == {kind}
    assert all(
        columns[name].types == ({"object"} if name == "probative_attachment" else {"string"})
        for name in further
    )


@pytest.mark.parametrize("stream", KEYS)
def test_a_table_begins_with_its_key_and_ends_with_what_has_no_column(stream: str) -> None:
    columns = list(emitted(stream, KEYS[stream])["properties"])
    assert tuple(columns[: len(KEYS[stream])]) == KEYS[stream]
    assert columns[-1] == "additional_properties"
