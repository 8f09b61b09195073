"""Credentials: Qonto's API key, a one-off access token, and OAuth whose tokens rotate."""
