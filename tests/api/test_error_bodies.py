"""Error bodies: what is told of them, and what never is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.failing import SECRETIVE, errors, failing
from tests.kit.cases import some, thorough
from tests.kit.faults import answer
from tests.kit.runner import run

if TYPE_CHECKING:
    from tap_qonto.demo import Company

Row = dict[str, Any]

TRACE = "7f3d2c1e-trace"


ITEM = {"code": "bad_thing", "detail": "wrong parameter", "source": {"parameter": "x"}}

BODIES = {
    "a list": {"errors": [ITEM], "trace_id": TRACE, "data": SECRETIVE},
    "an object": {"errors": ITEM, "trace_id": TRACE, "data": SECRETIVE},
    "flat": {**ITEM, "trace_id": TRACE, "data": SECRETIVE},
    "the gateway's": {"message": "bad_thing wrong parameter", "trace_id": TRACE},
    "with message": {"errors": [{"code": "bad_thing", "message": "wrong parameter"}], **SECRETIVE},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("status", some([400, 422, 500], 422))
def test_an_error_tells_status_code_detail_and_trace_but_never_the_body(
    small: Company, waits: list[float], status: int, body: Row
) -> None:
    fault = answer(status, body, X_Tyk_Trace_Id=TRACE)
    outcome = run(api=failing(small, "/labels", always=fault), select=["labels"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    for part in (f"GET /labels answered {status}", "bad_thing", "wrong parameter", TRACE):
        assert part in sentence
    assert bool(waits) == (status == 500)
    for secret in SECRETIVE.values():
        assert str(secret) not in outcome.log


STRANGE_BODIES = {
    "plain text": b"Camille Martin is not here",
    "HTML": b"<html><body>Camille Martin</body></html>",
    "a list": b'["Camille Martin"]',
    "text": b'"Camille Martin"',
    "null": b"null",
    "nothing": b"",
    "no text": b"\xff\xfe",
    "errors of another type": b'{"errors": 5, "data": "Camille Martin"}',
    "an empty list": b'{"errors": [], "data": "Camille Martin"}',
    "errors as texts": b'{"errors": ["Camille Martin"]}',
    "parts of other types": b'{"code": 5, "detail": {"x": "Camille Martin"}, "trace_id": []}',
    "deep": b'{"errors":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
}


@pytest.mark.parametrize(
    "body", thorough(STRANGE_BODIES, "HTML", "null", "no text", "parts of other types", "deep")
)
def test_an_error_body_of_any_other_shape_does_no_harm(small: Company, body: bytes) -> None:
    fault = answer(400, body, X_Tyk_Trace_Id=TRACE)
    outcome = run(api=failing(small, "/labels", always=fault), select=["labels"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert sentence == f"labels: GET /labels answered 400 [trace {TRACE}]"
    assert "Camille" not in outcome.log


@pytest.mark.parametrize(
    "personal",
    [
        "camille.martin@example.com",
        "FR7630006000011234567890189",
        "FR76 3000 6000 0112 3456 7890 189",
        "DE89370400440532013000",
        "https://files.example.com/receipt.pdf?X-Amz-Signature=abc",
    ],
)
def test_personal_data_in_a_detail_is_masked(small: Company, personal: str) -> None:
    fault = answer(422, {"errors": [{"code": "invalid", "detail": f"no {personal}\nfound"}]})
    outcome = run(api=failing(small, "/labels", always=fault), select=["labels"])
    assert errors(outcome) == ["labels: GET /labels answered 422 invalid (no *** found)"]
