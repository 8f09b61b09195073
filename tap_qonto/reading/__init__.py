"""How lists are read without losing a row, and how a row becomes a clean one."""
