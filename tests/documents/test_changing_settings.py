"""Whatever settings change from run to run: in the end all that was read has its document."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Response
from tests.kit.answers import alter
from tests.kit.papers import RECEIPTS, Papers, Row

if TYPE_CHECKING:
    from pathlib import Path

    from tap_qonto.demo import Request

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slept")]

STATUSES = ("pending", "declined", "completed")


class World:
    """Two or three accounts, of which one may be hidden or broken for a run.

    Args:
        papers: The company.
        random: Decides everything.
    """

    def __init__(self, papers: Papers, random: Random) -> None:
        self.papers = papers
        self.random = random
        self.hidden = self.broken = ""
        first = next(papers.company.rows("bank_accounts"))
        self.accounts = [str(first["id"])]
        for number in range(random.randint(1, 2)):
            self.accounts.append(f"2000000{number}-0000-4000-8000-000000000000")
            papers.company.put("bank_accounts", {**first, "id": self.accounts[-1]})
        alter(papers.api, "/bank_accounts", self._hide)
        alter(papers.api, "/organization", lambda body: self._hide(body["organization"]))
        papers.api.before.append(self._refuse)

    def _hide(self, body: Row) -> None:
        listed = body["bank_accounts"]
        listed[:] = [one for one in listed if one["id"] != self.hidden]

    def _refuse(self, request: Request) -> Response | None:
        account = dict(request.query).get("bank_account_id")
        if account and account in (self.hidden, self.broken):
            return Response(404 if account == self.hidden else 400, {}, b'{"errors": []}')
        return None

    def grow(self) -> None:
        """Add some transactions with a document each."""
        for _ in range(self.random.randint(1, 6)):
            number = self.papers.company.total("transactions")
            content = b"x" * self.random.choice([10, 2_000, 50_000])
            self.papers.transaction(
                self.papers.document(f"d{number}", content),
                bank_account_id=self.random.choice(self.accounts),
                status=self.random.choice(STATUSES),
            )

    def settings(self, path: Path, *, is_first: bool) -> Row:
        """Return settings that ask for less than everything, and trouble an account."""
        random = self.random
        some: Row = {
            "attachments_path": path,
            "attachments_max_bytes": random.choice([100, 5_000]),
            "bank_account_ids": random.sample(self.accounts, random.randint(1, 2)),
            "transaction_statuses": random.sample(STATUSES, random.randint(1, 2)),
            "start_date": random.choice(
                [row["updated_at"] for row in self.papers.company.rows("transactions")]
            ),
            "lookback_seconds": random.choice([120, 3_600]),
        }
        chosen = {name: value for name, value in some.items() if random.random() < 0.4}
        if not is_first:
            self.broken = random.choice(["", "", "", random.choice(self.accounts)])
            if "bank_account_ids" not in chosen:
                self.hidden = random.choice(["", "", random.choice(self.accounts)])
        return chosen


@pytest.mark.parametrize("seed", range(24))
def test_in_the_end_every_row_has_its_document(papers: Papers, tmp_path: Path, seed: int) -> None:
    world = World(papers, Random(seed))
    world.grow()
    state: Any = None
    read: set[str] = set()
    documents: dict[str, str] = {}
    runs = world.random.randint(3, 6)
    for number in range(1, runs + 1):
        world.hidden = world.broken = ""
        config: Row = {"attachments_path": tmp_path}
        streams: tuple[str, ...] = RECEIPTS
        if number < runs:
            config = world.settings(tmp_path, is_first=number == 1)
            streams = world.random.choice([RECEIPTS, RECEIPTS, RECEIPTS[:1]])
        done = papers.run(*streams, state=state, **config)
        assert done.exit_code == 0 or world.broken, done.log
        state = done.state
        read |= {row["id"] for row in done.records.get("transactions", ())}
        documents |= {
            row["transaction_id"]: row["file_status"]
            for row in done.records.get("transaction_attachments", ())
        }
        if number < runs:
            world.grow()
    assert {id_ for id_ in read if documents.get(id_) != "stored"} == set()
    assert state["bookmarks"]["transaction_attachments"].keys() == {"read_with"}
