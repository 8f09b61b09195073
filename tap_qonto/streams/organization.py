"""The company itself: its accounts, people, teams, labels and price plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tap_qonto.api.repair import DEEPEST
from tap_qonto.streams.kinds import Listed, Single

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Query, Row


class Organization(Single):
    """The company that the credentials belong to, with its bank accounts embedded."""

    name = "organization"
    path = "/organization"

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        yield self.clean(_copied(self.run.organization), context)

    @override
    def reshape(self, row: Row, context: types.Context | None) -> Row:
        # Qonto's older answers name the organization by its slug alone.
        if row.get("id") is None and row.get("slug"):
            row["id"] = row["slug"]
        return row

    @override
    def first_queries(self) -> Sequence[Query]:
        return ()


def _copied(value: Any, levels: int = DEEPEST) -> Any:
    """Return a copy that can be cleaned in place; what lies deeper than that is shared."""
    match value:
        case dict() if levels:
            return {name: _copied(inner, levels - 1) for name, inner in value.items()}
        case list() if levels:
            return [_copied(inner, levels - 1) for inner in value]
        case _:
            return value


class BankAccounts(Listed, counted=False):
    """Bank accounts, closed ones included; with `include_external_accounts` other banks' too."""

    name = "bank_accounts"
    path = "/bank_accounts"

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        listed = set()
        for row in super().rows(context):
            listed.add(row["id"])
            yield row
        if self.run.external_accounts:
            organization = self.run.organization
            embedded = organization.get("bank_accounts")
            for account in embedded if isinstance(embedded, list) else ():
                known = {"organization_id": organization.get("id") or organization.get("slug")}
                row = self.clean(account | known if isinstance(account, dict) else account, context)
                if row["id"] not in listed:
                    yield row


class Memberships(Listed):
    """Members of the company; holds personal data."""

    name = "memberships"
    path = "/memberships"


class Teams(Listed, scope="team.read", key_may_fail=True):
    """Teams that members belong to."""

    name = "teams"
    path = "/teams"


class Labels(Listed):
    """Labels put on transactions; a label may have a parent."""

    name = "labels"
    path = "/labels"


class Subscription(Single, envelope="plan", scope="subscription.read"):
    """The company's Qonto price plan; no row without an active plan."""

    name = "subscription"
    path = "/subscription"
    primary_keys = ("code",)

    @override
    def reshape(self, row: Row, context: types.Context | None) -> Row:
        # Qonto's reference does not promise the code, and there is never more than one plan.
        if row.get("code") is None:
            row["code"] = "plan"
        return row
