"""Every stream comes whole and clean, with every column that it has."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from tap_qonto.demo import COLLECTIONS, Api, Company, Response
from tests.kit.cases import some
from tests.kit.runner import catalog_of, run
from tests.streams.reading import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_qonto.demo import Request
    from tests.kit.runner import Run

Row = dict[str, Any]

# No test here is about waiting before another attempt.
pytestmark = pytest.mark.usefixtures("slept")

SINGLE = {"organization", "subscription", "einvoicing_settings"}
"""Streams of one object."""

UNPAGED = {*SINGLE, "cash_flow_categories"}

LONG = {
    "transactions",
    "beneficiaries",
    "sepa_transfers",
    "statements",
    "requests",
    "client_invoices",
    "quotes",
    "products",
    "clients",
    "supplier_invoices",
    "direct_debit_collections",
}
"""Streams with enough rows for several pages of 40."""

MIDDLE = {
    "cards",
    "credit_notes",
    "direct_debit_mandates",
    "direct_debit_subscriptions",
    "international_beneficiaries",
    "labels",
    "memberships",
}
"""Streams with enough rows for several pages of 10."""

SHORT = set(COLLECTIONS) - LONG - MIDDLE

DOCUMENTS = {
    "transaction_attachments",
    "client_invoice_attachments",
    "credit_note_attachments",
    "quote_attachments",
    "supplier_invoice_attachments",
    "statement_files",
}

WITHOUT_META = {"bank_accounts", "terminals"}
"""Lists whose answers do not say how many pages there are."""

NEVER_SENT = {"bank_accounts.slug", "supplier_invoices.tin_number"}
"""Columns of other answers, which the demo company does not give."""


@pytest.fixture(scope="module")
def all_of_it(world: Company) -> Run:
    """Every stream, read over HTTP, and by small pages where an answer says how many follow."""
    long = run(api=Api(world, page_limit=40), select=LONG)
    middle = run(api=Api(world, page_limit=10), select=MIDDLE)
    short = run(api=Api(world, page_limit=1), select=SHORT - WITHOUT_META)
    others = run(api=Api(world), select=WITHOUT_META)
    for part in (middle, short, others):
        assert part.exit_code == 0, part.log
        long.messages += part.messages
        long.requests += part.requests
    return long


@pytest.fixture(scope="module")
def usual(small: Company) -> Run:
    """A run that selects everything, documents too."""
    return run(api=Api(small), catalog=catalog_of())


@pytest.mark.parametrize("stream", COLLECTIONS)
def test_a_stream_has_as_many_rows_as_the_company_and_each_once(
    world: Company, all_of_it: Run, stream: str
) -> None:
    [schema] = all_of_it.schemas[stream]
    keys = [
        tuple(row[name] for name in schema["key_properties"]) for row in rows(all_of_it, stream)
    ]
    assert len(keys) == world.total(stream)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("stream", COLLECTIONS)
def test_the_rows_are_those_of_the_company(world: Company, all_of_it: Run, stream: str) -> None:
    names = all_of_it.schemas[stream][0]["key_properties"]
    expected = {tuple(map(row_key(world, row), names)) for row in world.rows(stream)}
    assert {tuple(row[name] for name in names) for row in rows(all_of_it, stream)} == expected


def row_key(world: Company, row: Row) -> Callable[[str], Any]:
    return lambda name: world.organization_id if name == "organization_id" else row[name]


@pytest.mark.parametrize("stream", sorted(set(COLLECTIONS) - UNPAGED - WITHOUT_META))
def test_a_stream_crosses_two_page_borders(all_of_it: Run, stream: str) -> None:
    asked = [query for query in all_of_it.requests if PATHS.get(stream, stream) in query.path]
    if stream in BY_VALUE:  # the first page again and again, each from further on
        name = BY_VALUE[stream]
        assert {dict(request.query)["page"] for request in asked} == {"1"}
        assert len({dict(request.query).get(name) for request in asked}) >= 3
    else:
        assert max(int(dict(request.query)["page"]) for request in asked) >= 3


BY_VALUE = {
    "client_invoices": "filter[created_at_from]",
    "clients": "filter[updated_at_from]",
    "credit_notes": "filter[created_at_from]",
    "quotes": "filter[created_at_from]",
    "requests": "created_at_from",
    "sepa_transfers": "updated_at_from",
    "supplier_invoices": "filter[updated_at_from]",
}
"""Streams that are read by value, and the filter that says from where on."""

PATHS = {
    "sepa_transfers": "/sepa/transfers",
    "beneficiaries": "/sepa/beneficiaries",
    "international_beneficiaries": "/international/beneficiaries",
    "payment_link_payments": "/payments",
    "clients": "/v2/clients",
}
"""What the paths of a stream's requests contain, if not its name."""


@pytest.mark.parametrize("count", some([99, 100, 101, 200, 201], 100, 201))
@pytest.mark.parametrize("stream", sorted(WITHOUT_META))
def test_a_list_without_meta_ends_with_a_short_page(stream: str, count: int) -> None:
    company = Company(transactions=0)
    [pattern, *_] = company.rows(stream)
    for number in range(count - company.total(stream)):
        company.put(stream, {**pattern, "id": company.formula.uuid("another", number)})
    done = run(api=Api(company), select=[stream])
    assert len(rows(done, stream)) == count
    assert len({row["id"] for row in rows(done, stream)}) == count


@pytest.mark.parametrize("stream", COLLECTIONS)
def test_rows_are_valid_against_the_schema_that_was_sent(all_of_it: Run, stream: str) -> None:
    [message] = all_of_it.schemas[stream]
    validator = Draft202012Validator(message["schema"], format_checker=FormatChecker())
    for row in rows(all_of_it, stream)[::4]:  # all of them: `test_standard`, which is slow
        validator.validate(row)


@pytest.mark.parametrize("stream", COLLECTIONS)
def test_the_company_sends_every_column_but_the_one_for_news(all_of_it: Run, stream: str) -> None:
    columns = set(all_of_it.schemas[stream][0]["schema"]["properties"])
    sent = {name for row in rows(all_of_it, stream) for name in row}
    missing = {f"{stream}.{name}" for name in columns - sent - {"additional_properties"}}
    assert missing == {name for name in NEVER_SENT if name.startswith(f"{stream}.")}
    assert sent <= columns - {"additional_properties"}


def test_nothing_that_opens_a_document_or_signs_a_webhook_gets_out(
    small: Company, usual: Run
) -> None:
    text = json.dumps(usual.messages, default=str) + usual.log
    assert usual.records.keys() >= DOCUMENTS
    assert "X-Amz-" not in text
    assert "/files/" not in text
    for hook in small.rows("webhook_subscriptions"):
        assert hook["secret"] not in text
    assert all("secret" not in row for row in usual.records["webhook_subscriptions"])


def test_each_schema_is_sent_once_and_before_its_rows(usual: Run) -> None:
    seen: set[str] = set()
    for message in usual.messages:
        if message["type"] == "SCHEMA":
            assert message["stream"] not in seen, "a SCHEMA came twice"
            seen.add(message["stream"])
        elif message["type"] == "RECORD":
            assert message["stream"] in seen, "a row came before its SCHEMA"


def test_money_keeps_its_digits(api: Api) -> None:
    def hook(request: Request) -> Response | None:
        if request.path != "/v2/sepa/transfers":
            return None
        body = (
            b'{"transfers": [{"id": "t-1", "amount": 12.10, "amount_cents": 1210,'
            b' "updated_at": "2026-01-01T00:00:00Z"}, {"id": "t-2", "amount": 0.1,'
            b' "updated_at": "2026-01-01T00:00:00Z"}, {"id": "t-3",'
            b' "amount": 12345678901234.56, "updated_at": "2026-01-01T00:00:00Z"}],'
            b' "meta": {"current_page": 1, "total_pages": 1, "total_count": 3}}'
        )
        return Response(200, {"Content-Type": "application/json"}, body)

    api.before.append(hook)
    done = run(api=api, select=["sepa_transfers"])
    assert [str(row["amount"]) for row in rows(done, "sepa_transfers")] == [
        "12.10",
        "0.1",
        "12345678901234.56",
    ]


def test_amounts_are_those_of_the_company(world: Company, all_of_it: Run) -> None:
    expected = {row["id"]: Decimal(str(row["amount"])) for row in world.rows("transactions")}
    assert {row["id"]: row["amount"] for row in rows(all_of_it, "transactions")} == expected


def test_id_is_the_key_and_transaction_id_only_a_slug(all_of_it: Run, world: Company) -> None:
    [schema] = all_of_it.schemas["transactions"]
    assert list(schema["key_properties"]) == ["id"]
    slugs = {row["id"]: row["transaction_id"] for row in world.rows("transactions")}
    assert {row["id"]: row["transaction_id"] for row in rows(all_of_it, "transactions")} == slugs


def test_a_full_run_asks_for_pages_of_100_on_every_list(usual: Run) -> None:
    for request in usual.requests:
        query = dict(request.query)
        if "page" in query:
            # Where transactions are only counted, rows would be read by nobody.
            sizes = {"100", "1"} if request.path == "/v2/transactions" else {"100"}
            assert query["per_page"] in sizes, request.path


def test_every_row_says_whose_it_is(usual: Run, small: Company) -> None:
    [organization] = usual.records["organization"]
    for stream, found in usual.records.items():
        assert {row["organization_id"] for row in found} == {organization["id"]}, stream
    assert small.total("organization") == 1
    assert sum(request.path == "/v2/organization" for request in usual.requests) == 1


def places_in(path: str, schema: Row) -> Iterator[tuple[str, Row]]:
    """Yield every schema below the given one with its dotted name; flattening reaches them all."""
    inner = schema.get("properties", {}) | ({"[]": schema["items"]} if "items" in schema else {})
    for name, place in inner.items():
        yield f"{path}.{name}", place
        yield from places_in(f"{path}.{name}", place)


def test_a_table_begins_with_its_key_and_its_integers_have_64_bits(usual: Run) -> None:
    for stream, [message] in usual.schemas.items():
        columns = message["schema"]["properties"]
        keys = message["key_properties"]
        assert list(columns)[: len(keys)] == keys, stream
        assert list(columns)[-1] == "additional_properties", stream
        for path, place in places_in(stream, message["schema"]):
            if "integer" in place["type"]:
                assert (place["minimum"], place["maximum"]) == (-(2**63), 2**63 - 1), path
