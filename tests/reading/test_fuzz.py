"""Whatever a server answers, the tap emits rows that fit their schema, or ends with a sentence."""

from __future__ import annotations

import json
import logging
import re
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from functools import cache, cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, reject
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from tap_qonto.api.errors import RowError
from tap_qonto.connection import Connection
from tap_qonto.demo import DEMO_API_URL, Api, Company, DemoAdapter, Response
from tap_qonto.machine import Machine
from tap_qonto.streams import STREAMS
from tap_qonto.streams.documents import DocumentStream
from tap_qonto.tap import TapQonto
from tests.kit.answers import unhooked
from tests.kit.cases import thorough
from tests.kit.runner import catalog_of, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_qonto.demo import Request

Row = dict[str, Any]

NAMES = [stream.name for stream in STREAMS]
DOCUMENTS = {stream.name for stream in STREAMS if issubclass(stream, DocumentStream)}

PATIENCE = 400
"""Requests after which a run counts as endless; the longest of a valid world takes 60."""


def profile(examples: int) -> hypothesis_settings:
    return hypothesis_settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # looking for the shortest example would take minutes
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# -- what a server may come up with ---------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = "core"
    for level in range(depth):
        value = [value] if level % 2 else {"deeper": value}
    return value


ODD_TEXTS = st.sampled_from(
    [
        *("", " ", "NaN", "Infinity", "-inf", "1e999", "1E400000", "1,5", "12.50", "0x1F", "-0"),
        *("true", "False", "null", "\x00", "\x1b[31m", "a\nb\r\nc", "\u2028", "\u0663"),
        *("\ud800", "\udfff\ud800", "x" * 10_000, "https://files.example.com/a?X-Amz-Signature=b"),
        *("2026-13-45T99:99:99Z", "2026-02-30", "0001-01-01T00:00:00+14:00", "2026-W01-1"),
        *("9999-12-31T23:59:59.999999999-12:00", "2026-06-01T12:00:00,5Z", "2026-06-01 12:00"),
        *("20260601T120000Z", "2026-06-01T12:00:00+99:99", "2016-12-31T23:59:60Z", "24:00:00"),
        *("+002026-06-01T00:00:00Z", "2026-06-01T12:00:00Z[UTC]", "2026-06-01T24:00:00Z"),
    ]
)
LETTERS = (
    "aZ09 .,:;-+_/\\\"'<>&%{}[]()"  # easy, or something in JSON, HTML or a link
    "\x00\x07\t\n\r\x1b\x7f\x85\xa0\u200d\u202e\u2029\ufeff\uffff"  # something in a log, or nothing
    "\xe9\xdf\u0130\u0300\u0663\u05d0\u4e2d\ufffd\U0001f4b6\U000e0001\U0010ffff"
)
TEXTS = st.text(LETTERS, max_size=8)
"""Short texts; to draw from all of Unicode takes seconds before the first one."""

ODD_NUMBERS = st.sampled_from([0, -1, 10, 2**31, 2**63, 2**64, -(2**70), 10**400, 0.1, 1e300, -0.0])
ODD_NAMES = st.sampled_from(["id", "updated_at", "new", "", "a.b"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | ODD_TEXTS | ODD_NUMBERS | TEXTS | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(ODD_NAMES, inner, max_size=3)
    ),
    max_leaves=5,
) | st.sampled_from([30, 400]).map(nested)  # fmt: skip
"""Any JSON value; lone surrogates are written as JSON can: as escapes."""

MUTATION = st.tuples(
    st.lists(st.integers(0, 400), min_size=1, max_size=6),  # which child to go down to
    st.sampled_from(["replace", "replace", "replace", "remove", "add", "repeat"]),
    ANYTHING,
)


def mutated(document: Any, mutation: tuple[list[int], str, Any]) -> Any:
    """Return a JSON document with one place in it changed."""
    path, kind, value = deepcopy(mutation)
    holder: Any = {"": document}
    key: Any = ""
    place = holder
    for step in path:
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        place = inner
        key = list(inner)[step % len(inner)] if isinstance(inner, dict) else step % len(inner)
    if kind == "remove":
        del place[key]
    elif kind == "add" and isinstance(place, dict):
        place["brand_new"] = value
    elif kind == "repeat" and isinstance(place, list):
        place.append(place[key])
    else:
        place[key] = value
    return holder.get("")


# -- one row at a time ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> Company:
    return Company(transactions=60)


@pytest.fixture(scope="module")
def tap() -> TapQonto:
    return TapQonto(config={"environment": "demo"})


@cache
def validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), format_checker=FormatChecker())


def assert_fits(record: Row, schema: Row) -> None:
    errors = list(validator(json.dumps(schema, sort_keys=True)).iter_errors(record))
    assert not errors, errors[0].message


COLLECTIONS = [name for name in NAMES if name not in DOCUMENTS and name != "bulk_transfers"]
"""Streams whose rows the company can show by themselves; it has no bulk transfers."""

CONTEXT = dict.fromkeys(("payment_link_id", "bank_account_id"), "3802d943-e184-43ba-9b3a-29fa0cbc")

DECODER = msgspec.json.Decoder(float_hook=Decimal)
ENCODER = msgspec.json.Encoder(decimal_format="number")


@pytest.mark.parametrize(
    "name",
    thorough(
        {name: name for name in COLLECTIONS},
        "transactions",
    ),
)
def test_any_row_fits_its_schema_or_is_refused_in_a_sentence(
    world: Company, tap: TapQonto, name: str
) -> None:
    stream: Any = tap.streams[name]
    examples = [json.dumps(row) for row in islice(world.rows(name), 4)]
    sentence = re.compile(r"GET \S+ answered (a row without the primary key|.* where a row was)")

    @profile(50)
    @given(st.sampled_from(examples), st.lists(MUTATION, min_size=1, max_size=4))
    def check(example: str, mutations: list[Any]) -> None:
        row = json.loads(example)
        for mutation in mutations:
            row = mutated(row, mutation)
        try:
            row = DECODER.decode(json.dumps(row))
        except msgspec.DecodeError:
            reject()
        try:
            clean = stream.clean(row, CONTEXT)
        except RowError as error:
            refusal = str(error)
        else:
            refusal = ""
            assert_fits(DECODER.decode(ENCODER.encode(clean)), stream.schema)
        assert not refusal or sentence.match(refusal)

    check()


# -- whole runs -----------------------------------------------------------------------------------


class Mutations:
    """A hook that changes the answers of a valid API.

    Args:
        api: The API.
        first: Number of the first request whose answer is changed, from 0.
        every: Whether those after it are changed too.
        change: Changes an answer.
    """

    def __init__(
        self, api: Api, first: int, change: Callable[[Response], Response], *, every: bool
    ) -> None:
        self._original = unhooked(api)
        self._first = first
        self._every = every
        self._change = change
        self.count = 0

    def __call__(self, request: Request) -> Response:
        number, self.count = self.count, self.count + 1
        if self.count > PATIENCE:
            return Response(400, {}, b"")
        answer = self._original(request)
        if number == self._first or (self._every and number > self._first):
            return self._change(answer)
        return answer


def with_mutations(mutations: list[Any]) -> Callable[[Response], Response]:
    def change(response: Response) -> Response:
        assert isinstance(response.body, bytes)
        if not response.headers["Content-Type"].startswith("application/json"):
            return response  # a file, or the web server's own error page
        document = json.loads(response.body)
        for mutation in mutations:
            document = mutated(document, mutation)
        return replace(response, body=json.dumps(document).encode())

    return change


def with_parts(start: int, length: int, insert: bytes) -> Callable[[Response], Response]:
    def change(response: Response) -> Response:
        body = response.body
        assert isinstance(body, bytes)
        at = start % (len(body) + 1)
        return replace(response, body=body[:at] + insert + body[at + length :])

    return change


def with_status(status: int, body: Any, headers: dict[str, str]) -> Callable[[Response], Response]:
    return lambda _response: Response(status, headers, json.dumps(body).encode())


HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Content-Type", "Location", "X-Tyk-Trace-Id", "Set-Cookie"]),
    st.sampled_from(
        ["", "0", "-5", "nan", "1e9", "soon", "Wed, 99 Foo 2026", "text/html", "a=b", "https://["]
    ),
)

CHANGES = st.one_of(
    st.lists(MUTATION, min_size=1, max_size=4).map(with_mutations),
    st.lists(MUTATION, min_size=1, max_size=4).map(with_mutations),
    st.builds(with_parts, st.integers(0, 10**6), st.integers(0, 10**5), st.binary(max_size=4)),
    st.builds(
        with_status,
        st.sampled_from([200, 201, 204, 301, 400, 401, 403, 404, 409, 422, 429, 500, 503, 599]),
        ANYTHING | st.fixed_dictionaries({"errors": ANYTHING, "trace_id": ANYTHING}),
        HEADERS,
    ),
)


def tap_of(api: Api) -> type[TapQonto]:
    """Return a tap whose demo company is an application of ours."""

    class Asking(Connection):
        demo = (DEMO_API_URL, DemoAdapter(api))

    class Tap(TapQonto):
        @cached_property
        def connection(self) -> Connection:
            return Asking(self.config, self.machine, self.name)

    return Tap


@pytest.fixture(scope="module")
def _no_waiting() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TapQonto, "machine", Machine(sleep=lambda _seconds: None))
        yield


@pytest.mark.usefixtures("_no_waiting")
@pytest.mark.parametrize(
    "name",
    thorough(
        {name: name for name in NAMES},
        "sepa_transfers",
    ),
)
def test_any_answer_gives_rows_that_fit_or_a_sentence(world: Company, name: str) -> None:
    catalog = catalog_of([name])
    catalog["streams"] = [one for one in catalog["streams"] if one["tap_stream_id"] == name]

    @profile(12)
    @given(st.integers(0, 4), st.booleans(), CHANGES)
    def check(first: int, every: bool, change: Callable[[Response], Response]) -> None:
        api = Api(world)
        hook = Mutations(api, first, change, every=every)
        api.before.append(hook)
        settings = {"environment": "demo", "include_external_accounts": every}
        outcome = run(settings, catalog=catalog, log_level=logging.WARNING, tap=tap_of(api))
        assert hook.count <= PATIENCE, "the run would never have ended"
        assert "Internal error" not in outcome.log, outcome.log
        assert "Traceback" not in outcome.log
        assert ("ERROR" in outcome.log) == (outcome.exit_code == 1)
        for stream, rows in outcome.records.items():
            for row in rows:
                assert_fits(row, outcome.schemas[stream][0]["schema"])

    check()
