"""The bytes that rows point at: fetched once, verified, stored beside the data."""
