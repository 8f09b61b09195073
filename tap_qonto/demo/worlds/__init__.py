"""Worlds in which a careless client loses rows, stops for ever or hangs; anyone can play them.

`python -m tap_qonto.demo --world NAME` serves one. Each changes the company while it is read, or
its answers on their way out; a client is to bring everything home all the same, or to say what it
could not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.demo.worlds import answers, documents, lists, rows

if TYPE_CHECKING:
    from tap_qonto.demo.worlds.world import World

WORLDS: Final[dict[str, World]] = {
    **lists.WORLDS,
    **rows.WORLDS,
    **answers.WORLDS,
    **documents.WORLDS,
}
"""All worlds by name."""
