"""Singer tap for Qonto."""

__version__ = "0.1.0"
