"""Asks a demo company inside the process, at a time that a test sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tap_qonto.demo import (
    DEMO_API_URL,
    Api,
    Company,
    DemoAdapter,
)
from tap_qonto.demo.world.moments import parse

Row = dict[str, Any]
Get = Callable[..., requests.Response]

UNKNOWN = "00000000-0000-4000-8000-000000000000"
"""The id of nothing."""
CHANGED = ("sort_by", "updated_at:asc")
"""The one order in which transactions are asked for."""


@contextmanager
def session(api: Api, **headers: str) -> Iterator[Get]:
    """Ask an API inside the process, by path."""
    with requests.Session() as session:
        session.mount("https://", DemoAdapter(api))
        session.headers.update(headers)

        def get(path: str, *query: tuple[str, Any], **options: Any) -> requests.Response:
            return session.get(DEMO_API_URL + path, params=list(query), **options)

        yield get


class Clock:
    """A present that moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def completed(company: Company, account: str) -> list[Row]:
    rows = company.rows("transactions", bank_account_id=account)
    return sorted(
        (row for row in rows if row["status"] == "completed"),
        key=lambda row: parse(row["settled_at"]),
    )
