"""README's "Why this one" says nothing that no test proves: each sentence names its tests."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[2]

LOOP: Final = (
    "reading/test_changes.py::"
    "test_the_same_oracle_finds_the_rows_that_a_loop_over_page_numbers_loses"
)
ISOLATION: Final = (
    "streams/test_isolation.py::"
    "test_any_trouble_of_one_stream_leaves_the_others_whole_and_its_bookmark_where_it_was"
)

PROMISES: Final = {
    "Lists that have a filter are read by value, not by page number: rows that change while they "
    "are read are neither lost nor skipped, and the limit of 10,000 rows per query does not "
    "exist.": [
        "streams/test_streams.py::test_a_stream_crosses_two_page_borders",
        "reading/test_lossless.py::test_nothing_is_lost_in_worlds_that_never_hold_still",
        "reading/test_changes.py::test_two_runs_leave_a_target_equal_to_the_api",
        "reading/test_strangers.py::test_no_row_is_lost_whatever_a_server_does",
        "reading/test_changes.py::test_more_rows_than_the_ceiling_come_whole",
    ],
    "Other lists are read until two readings agree, or their stream says that it failed.": [
        "reading/test_lists.py::test_two_pages_or_more_are_read_until_two_readings_agree",
        "reading/test_numbered.py::test_a_list_that_never_holds_still_is_read_four_times_and_fails",
    ],
    "A test keeps the page-number loop beside it and shows rows that it loses.": [
        LOOP,
        "reading/test_lossless.py::test_readers_that_trust_counts_lose_rows_in_such_worlds",
    ],
    "Pages are fetched in parallel, in order and within Qonto's rate limit.": [
        "api/test_requests.py::test_pages_of_a_single_account_are_fetched_at_the_same_time",
        "streams/test_transactions.py::test_all_statuses_come_in_one_sorted_sequence_per_account",
        "api/test_requests.py::test_the_rate_limit_is_kept_in_every_window",
        "api/test_requests.py::test_runs_that_follow_each_other_quickly_share_one_rate_limit",
    ],
    "Receipts, invoice PDFs, credit notes, quotes and statements are stored next to their rows, "
    "once, verified, with the electronic invoice (Factur-X) read out of the PDF.": [
        "documents/test_rows.py::test_a_stored_document_is_the_one_that_qonto_has",
        "documents/test_rows.py::test_statements_bring_their_file",
        "documents/test_storing.py::test_what_is_stored_is_not_downloaded_again",
        "documents/test_sharing.py::test_two_runs_with_one_store_download_each_document_once",
        "documents/test_whole.py::test_a_file_without_its_end_is_tried_again_and_then_named",
        "documents/test_rows.py::test_the_invoice_inside_a_pdf_is_in_its_row",
    ],
    "Rotating OAuth tokens are kept safe, faults are waited out, a killed run goes on where it "
    "was, one stream's trouble stays its own, and what cannot be helped is one sentence that says "
    "what to do.": [
        "auth/test_store.py::test_the_tokens_are_on_disk_before_the_access_token_is_used",
        "auth/test_token_faults.py::test_a_killed_run_is_got_over_within_the_grace_period",
        "api/test_faults.py::test_a_fault_that_passes_costs_a_retry_and_no_row",
        "reading/test_kill.py::test_a_killed_run_is_completed_by_the_next_one",
        ISOLATION,
        "api/test_faults.py::test_a_fault_that_lasts_is_given_up_in_one_sentence",
        "api/test_answers.py::test_an_answer_that_makes_no_sense_is_told_in_one_sentence",
    ],
}
"""The tests, below `tests/`, by sentence."""


def said() -> list[str]:
    """Return the sentences of the section, without what only points elsewhere."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Why this one\n")[1].split("\n## ")[0]
    found: list[str] = []
    for point in section.strip().removeprefix("* ").split("\n* "):
        words = re.sub(r"\*\*.*?\*\*", "", " ".join(point.split())).strip()
        found += [one for one in re.split(r"(?<=\.) (?=[A-Z])", words) if "](" not in one]
    return found


@cache
def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_sentence_has_its_tests() -> None:
    assert said() == list(PROMISES)


@pytest.mark.parametrize("test", [test for tests in PROMISES.values() for test in tests])
def test_a_test_behind_a_sentence_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert name in functions_in(ROOT / "tests" / file)
