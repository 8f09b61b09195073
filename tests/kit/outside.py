"""The proxies of whoever runs the tests: no test's own server may be asked through them.

Nothing is looked up or refused behind a proxy as the tests say. Only what fetches packages takes
the way that the machine has to a registry.
"""

from __future__ import annotations

import os
from typing import Final

PROXIES: Final = tuple(
    spelt
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for spelt in (name, name.upper())
)
"""The variables that name one, as requests, uv, pip and curl read them."""

_HERE: Final = "127.0.0.1,localhost"


def _way_out() -> dict[str, str]:
    found = {name: os.environ[name] for name in PROXIES if name in os.environ}
    if found:
        spared = found.get("no_proxy") or found.get("NO_PROXY")
        direct = ",".join(filter(None, [spared, _HERE]))
        found |= {"no_proxy": direct, "NO_PROXY": direct}
    return found


WAY_OUT: Final = _way_out()
"""Variables for a process that fetches packages; taken before they are kept from the tests."""
