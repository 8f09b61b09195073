"""The SDK's own suite for taps, against the demo company, which selects every stream."""

from __future__ import annotations

import pytest
from singer_sdk.testing import get_tap_test_class

from tap_qonto.tap import TapQonto

# The suite warns of columns that it never saw filled. Which these are in the demo company, and that
# there are no others, is a test of its own in `test_streams`.
pytestmark = [
    pytest.mark.slow,  # it reads and checks the whole company; `test_streams` does, of a small one
    pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records"),
    pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning"),
]

TestTapQonto = get_tap_test_class(
    TapQonto,
    config={"environment": "demo"},
    parse_env_config=False,
)
