"""How fast the tap is, measured beside the loop of Qonto's guide: `python -m tests.benchmarks`."""
