"""How what Qonto lists is read without losing a row."""
