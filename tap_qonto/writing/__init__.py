"""How rows are written to Qonto: checked, planned, approved, and each of them at most once."""
