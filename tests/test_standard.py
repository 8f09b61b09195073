"""The SDK's own suite for taps, against the demo company, with every stream selected."""

from __future__ import annotations

import pytest
from singer_sdk.testing import get_tap_test_class

from tap_qonto.tap import TapQonto
from tests.runner import catalog_of

# The suite warns of columns that it never saw filled. Which these are in the demo company, and that
# there are no others, is a test of its own in `test_streams`.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records"),
    pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning"),
]

TestTapQonto = get_tap_test_class(
    TapQonto,
    config={"environment": "demo"},
    catalog=catalog_of(),
    parse_env_config=False,
)
