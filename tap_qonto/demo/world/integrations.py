"""What other software has set up: webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_qonto.demo.world.moments import DAY, START, iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.facts import Facts
    from tap_qonto.demo.world.rows import Row


def webhook_subscriptions(company: Facts) -> Iterator[Row]:
    """Callbacks that the company's own client has registered."""
    topics = (
        ["v1/transactions"],
        ["v1/client-invoices", "v1/clients"],
        ["v1/cards"],
        ["v1/payment-links", "v1/terminal-payments"],
    )
    for number, types in enumerate(topics):
        created = START + (100 + 50 * number) * DAY
        row: Row = {
            "id": company.formula.uuid("webhook", number),
            "organization_id": company.organization_id,
            "membership_id": company.formula.uuid("membership", 0),
            "callback_url": f"https://hooks.{company.slug}.example/qonto/{number}",
            "types": types,
            "secret": company.formula.uuid("webhook secret", number).replace("-", ""),
            "created_at": iso(created),
            "updated_at": iso(created + DAY),
        }
        if number % 2 == 0:
            row["description"] = "Comptabilité"
        yield row
