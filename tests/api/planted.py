"""Planted secrets, by which one search tells whether any has got out."""

from __future__ import annotations

PLANT = "pLaNtEd"
"""Part of every planted secret, so that one search finds them all."""

SIGNED = "X-Amz-Signature"
"""Part of every signed link of the demo company."""

SECRET_KEY = f"{PLANT}/key+with=special&characters"

LOGIN = "acme-1234"
