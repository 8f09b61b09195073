"""The loop of Qonto's guide, to measure the tap against: ask for a page, write it, and so on.

It does the least that can be done: one session, so that connections are kept; no schema, no
checks, no second attempt. It loses rows when the list changes meanwhile.

Usage: plain_loop.py API_URL LOGIN SECRET_KEY [RECEIPTS_FOLDER]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = 100
"""Pages of 100 rows that Qonto gives out for one query."""


def pages(session: requests.Session, url: str, account: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the transactions of a bank account, page by page.

    Behind the last page that Qonto gives out for one query, the loop asks anew from the last row
    on, so the rows of that instant appear twice.
    """
    params: dict[str, Any] = {
        "bank_account_id": account,
        "status[]": ["pending", "declined", "completed"],
        "includes[]": ["vat_details", "labels", "attachments"],
        "sort_by": "updated_at:asc",
        "per_page": 100,
        "page": 1,
    }
    while True:
        response = session.get(f"{url}/transactions", params=params)
        response.raise_for_status()
        answer = response.json()
        rows = answer["transactions"]
        yield rows
        if params["page"] == PAGES:
            # Whether more rows match, the answer does not say.
            params |= {"updated_at_from": rows[-1]["updated_at"], "page": 1}
        elif answer["meta"]["next_page"]:
            params["page"] += 1
        else:
            return


def main() -> None:
    """Write all transactions to standard output, and their number to standard error."""
    url, login, secret_key, *folder = sys.argv[1:]
    session = requests.Session()
    session.headers["Authorization"] = f"{login}:{secret_key}"
    organization = session.get(f"{url}/organization").json()["organization"]
    count = receipts = 0
    for account in organization["bank_accounts"]:
        for rows in pages(session, url, account["id"]):
            for row in rows:
                sys.stdout.write(json.dumps(row) + "\n")
                count += 1
                for receipt in row["attachment_ids"] if folder else ():
                    attachment = session.get(f"{url}/attachments/{receipt}").json()["attachment"]
                    file = requests.get(attachment["url"], timeout=60)
                    Path(folder[0], f"{receipt}.pdf").write_bytes(file.content)
                    receipts += 1
    sys.stderr.write(f"transactions: {count:,} rows\n")
    sys.stderr.write(f"transaction_attachments: {receipts:,} rows\n")


if __name__ == "__main__":
    main()
