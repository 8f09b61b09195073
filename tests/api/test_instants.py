"""Timestamps leave the tap in one form, in which the order of texts is the order in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_qonto.api.instants import uniform

MOMENTS = st.datetimes(datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2999-12-31"))


@settings(deadline=None)  # a busy machine is no fault
@given(moment=MOMENTS, digits=st.integers(0, 6))
def test_a_fraction_of_any_length_becomes_microseconds(moment: datetime, digits: int) -> None:
    fraction = f".{moment.microsecond:06}"[: digits + 1] if digits else ""
    text = f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}"
    expected = f"{moment:%Y-%m-%dT%H:%M:%S}{fraction or '.':0<7}Z"
    assert uniform(f"{text}Z") == uniform(f"{text}+00:00") == uniform(text) == expected


@settings(deadline=None)  # a busy machine is no fault
@given(moment=MOMENTS, minutes=st.integers(-14 * 60, 14 * 60))
def test_an_offset_is_taken_into_account(moment: datetime, minutes: int) -> None:
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert uniform(there.isoformat()) == uniform(moment.isoformat())


@settings(deadline=None)  # a busy machine is no fault
@given(first=MOMENTS, second=MOMENTS)
def test_the_order_of_texts_is_the_order_in_time(first: datetime, second: datetime) -> None:
    texts = uniform(first.isoformat()), uniform(f"{second.isoformat()}Z")
    assert (texts[0] < texts[1]) == (first < second)


OTHERS = {
    "a comma": ("2026-03-01T08:15:00,123Z", "2026-03-01T08:15:00.123000Z"),
    "a blank": ("2026-03-01 08:15:00.123Z", "2026-03-01T08:15:00.123000Z"),
    "no separators": ("20260301T081500Z", "2026-03-01T08:15:00.000000Z"),
    "no colons, as long as a usual one": ("2026-03-01T081500.1Z", "2026-03-01T08:15:00.100000Z"),
    "no dashes, as long as a usual one": ("20260301T08:15:00.1Z", "2026-03-01T08:15:00.100000Z"),
    "a week, as long as a usual one": ("2026-W10-1T08:15:00Z", "2026-03-02T08:15:00.000000Z"),
    "a date": ("2026-03-01", "2026-03-01T00:00:00.000000Z"),
    "nanoseconds": ("2026-03-01T08:15:00.123456789Z", "2026-03-01T08:15:00.123456Z"),
}


@pytest.mark.parametrize(("text", "expected"), OTHERS.values(), ids=OTHERS.keys())
def test_other_ways_to_write_a_timestamp_are_understood(text: str, expected: str) -> None:
    assert uniform(text) == expected


@pytest.mark.parametrize("text", ["", "Z", "soon", "2026-02-30T00:00:00Z", "2026-03-01T25:00:00Z"])
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"[Ii]soformat|range|must be"):
        uniform(text)
