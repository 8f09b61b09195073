"""Qonto over HTTP, for whoever asks or tells; besides `auth`, the only room that knows requests."""
