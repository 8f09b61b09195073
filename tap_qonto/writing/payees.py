"""The beneficiaries that rows name, as Qonto knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tap_qonto.api.errors import NotReadableError
from tap_qonto.api.pages import Query
from tap_qonto.writing.lookups import CHUNK, FEW_PAGES, STREAM, chunks, page_after

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_qonto.api.pages import Page
    from tap_qonto.writing.lookups import Questions


class Payee(NamedTuple):
    """A beneficiary."""

    id: str
    name: str
    iban: str
    validated: bool
    trusted: bool


class Payees:
    """The beneficiaries that rows name.

    Args:
        client: Asks Qonto.
        ibans: Those named by IBAN.
        ids: Those named by ID.

    Raises:
        QontoError: If they cannot be read.
    """

    def __init__(self, client: Questions, ibans: Iterable[str], ids: Iterable[str]) -> None:
        self.by_iban: dict[str, Payee] = {}
        self.by_id: dict[str, Payee] = {}
        wanted_ibans, wanted_ids = dict.fromkeys(ibans), dict.fromkeys(ids)
        if not (wanted_ibans or wanted_ids):
            return
        listed = Query(STREAM, "/sepa/beneficiaries")
        first = client.whole_page(listed, "beneficiaries", 1)
        self._keep(first)
        if (first.pages or 0) <= max(FEW_PAGES, len(wanted_ibans) // CHUNK):
            self._read_on(client, listed, first)
        else:
            missing = [iban for iban in wanted_ibans if iban not in self.by_iban]
            for chunk in chunks(missing):
                asked = listed._replace(params=tuple(("iban[]", iban) for iban in chunk))
                page = client.whole_page(asked, "beneficiaries", 1)
                self._keep(page)
                self._read_on(client, asked, page)
        for wanted in wanted_ids:
            if wanted not in self.by_id:
                self._read_one(client, wanted)

    def _read_on(self, client: Questions, query: Query, page: Page) -> None:
        while following := page_after(client, query, "beneficiaries", page):
            self._keep(following)
            page = following

    def _read_one(self, client: Questions, wanted: str) -> None:
        try:
            answer = client.get(Query(STREAM, f"/sepa/beneficiaries/{wanted}"))
        except NotReadableError:
            return
        self._keep_one(answer.get("beneficiary", answer))

    def _keep(self, page: Page) -> None:
        for row in page.rows:
            self._keep_one(row)

    def _keep_one(self, row: Any) -> None:
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            return
        account = row.get("bank_account")
        nested = account if isinstance(account, dict) else {}
        payee = Payee(
            id=row["id"],
            name=str(row.get("name") or ""),
            iban=bare_iban(str(row.get("iban") or nested.get("iban") or "")),
            validated=row.get("status") == "validated",
            trusted=row.get("trusted") is True,
        )
        self.by_id[payee.id] = payee
        if payee.iban:
            self.by_iban[payee.iban] = payee


def bare_iban(text: str) -> str:
    """Return an IBAN without blanks, in capitals."""
    return "".join(text.split()).upper()
