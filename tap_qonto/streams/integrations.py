"""What other software has set up: webhooks."""

from __future__ import annotations

from tap_qonto.streams.kinds import Listed


class WebhookSubscriptions(Listed, envelope="subscriptions", scope="webhook", oauth_only=True):
    """Webhooks of the OAuth client in use; their secrets are left out."""

    name = "webhook_subscriptions"
    path = "/webhook_subscriptions"
