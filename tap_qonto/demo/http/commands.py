"""How a command is carried out: once per idempotency key, and wholly or not at all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from tap_qonto.demo.http.messages import RefusalError, Request, Response, answer
from tap_qonto.demo.world.agenda import advance
from tap_qonto.demo.world.moments import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_qonto.demo.http.desk import Desk
    from tap_qonto.demo.http.endpoints import Endpoint
    from tap_qonto.demo.world.rows import Row

KEY_HEADER = "x-qonto-idempotency-key"


class Commands:
    """Carries out what is asked for by other methods than GET."""

    def __init__(self, desk: Desk, sleep: Callable[[float], None] = time.sleep) -> None:
        """Work at a desk; `sleep` passes the time that the work takes."""
        self._desk = desk
        self._sleep = sleep

    def run(self, endpoint: Endpoint, request: Request, ids: Sequence[str]) -> Response:
        """Carry out a command, or repeat the answer that its key got before.

        Raises:
            RefusalError: The command is refused; nothing was done.
        """
        name = self._key(endpoint, request)
        rules, company = self._desk.writing, self._desk.company
        kept = self._kept(name)
        if kept is not None:
            return kept
        if rules.work_time:
            self._sleep(rules.work_time)
        with company.lock:
            company.refresh()
            advance(company, self._desk.now)
            with company.writing():
                # Another request with this key may have been carried out meanwhile.
                kept = self._kept(name) if rules.lock_keys else None
                if kept is not None:
                    return kept
                body = endpoint.answer(self._desk, request, *ids)
                status = rules.created if endpoint.creates else 200
                self._keep(name, status, body)
                return answer(status, body)

    @staticmethod
    def _key(endpoint: Endpoint, request: Request) -> str | None:
        """Return what a command's answer is kept under; None where nothing is kept.

        Raises:
            RefusalError: A key is needed, and there is none (400).
        """
        if not endpoint.keyed:
            return None
        key = request.header(KEY_HEADER)
        if not key:
            detail = "the header X-Qonto-Idempotency-Key is required"
            raise RefusalError(400, "bad_request", detail, more={"source": {"header": KEY_HEADER}})
        return f"{request.path} {key}"

    def _kept(self, name: str | None) -> Response | None:
        if name is None:
            return None
        company = self._desk.company
        with company.lock:
            company.refresh()
            found = company.get("answers", name)
        if found is None or self._desk.now >= found["at"] + self._desk.writing.key_life * SECOND:
            return None
        return answer(found["status"], msgspec.Raw(found["body"].encode()))

    def _keep(self, name: str | None, status: int, body: Row) -> None:
        if name is not None:
            text = msgspec.json.encode(body).decode()
            row = {"id": name, "at": self._desk.now, "status": status, "body": text}
            self._desk.company.put("answers", row)
