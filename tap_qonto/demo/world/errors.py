"""What can go wrong with the world itself."""

from __future__ import annotations


class WorldFileError(Exception):
    """The file of a company cannot be used; the message says which, why, and what to do."""
