"""One download per document at a time, whoever wants it; and nothing is left lying about."""

from __future__ import annotations

import signal
import stat
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tap_qonto.demo import DemoServer
from tap_qonto.documents.names import key_of
from tap_qonto.documents.parts import Workshop
from tap_qonto.documents.places import Folder
from tests.kit.cases import some
from tests.kit.papers import RECEIPTS, Papers, files_in, pause, statuses
from tests.kit.runner import catalog_of, config_for, parsed, start_process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kit.runner import Row

CONTENT = b"%PDF-1.7\n" + b"x" * 30_000 + b"\n%%EOF"
KEY = key_of("transaction_attachments", "a1", "a1.pdf")


@pytest.mark.parametrize("turn", some(range(5), 1))
def test_rows_that_share_a_document_download_it_once(
    papers: Papers, tmp_path: Path, turn: int
) -> None:
    papers.document("shared", CONTENT)
    for _ in range(400):
        papers.transaction("shared")
    papers.api.latency = 0.01 * (turn % 2)
    done = papers.run(attachments_path=tmp_path, concurrency=16)
    assert (done.exit_code, statuses(done)) == (0, ["stored"] * 400)
    assert [request.path for request in done.requests].count("/files/shared") == 1
    assert [path.name for path in files_in(tmp_path)] == ["shared.pdf"]


def test_rows_that_share_a_document_of_an_object_store_download_it_once(papers: Papers) -> None:
    papers.document("shared", CONTENT)
    for _ in range(30):
        papers.transaction("shared")
    papers.api.latency = 0.02
    done = papers.run(attachments_path="memory://shared")
    assert statuses(done) == ["stored"] * 30
    assert [request.path for request in done.requests].count("/files/shared") == 1


@pytest.mark.slow
def test_two_runs_with_one_store_download_each_document_once(
    papers: Papers, tmp_path: Path
) -> None:
    papers.document("shared", CONTENT)
    for number in range(60):
        papers.transaction("shared", papers.document(f"a{number}", CONTENT))
    papers.api.latency = 0.02
    folder = tmp_path / "documents"
    with ExitStack() as stack:
        server = stack.enter_context(DemoServer(papers.api))
        config = {**config_for(server), "attachments_path": str(folder)}
        taps = [
            stack.enter_context(start_process(config, catalog=catalog_of(RECEIPTS)))
            for _ in range(2)
        ]
        with ThreadPoolExecutor() as threads:
            outputs = list(threads.map(lambda tap: tap.communicate(timeout=60)[0], taps))
        asked = [request.path for request in server.requests if "/files/" in request.path]
    for tap, output in zip(taps, outputs, strict=True):
        assert tap.returncode == 0
        rows: list[Row] = [message["record"] for message in parsed(output)
                           if message.get("stream") == "transaction_attachments"
                           and message["type"] == "RECORD"]  # fmt: skip
        assert [row["file_status"] for row in rows] == ["stored"] * 120
    assert len(asked) == len(set(asked)) == 61
    assert len(files_in(folder)) == 61


@pytest.mark.slow
def test_what_another_one_is_writing_is_not_taken_for_abandoned(tmp_path: Path) -> None:
    one, other = Folder(tmp_path), Folder(tmp_path)
    order: list[str] = []

    def write_second() -> None:
        with other.alone(KEY):
            order.append("second")
            assert other.find(KEY)

    second = threading.Thread(target=write_second)
    with one.alone(KEY), one.aside(KEY) as aside:
        second.start()
        aside.write(CONTENT[:10])
        pause(0.2)
        assert [path.suffix for path in files_in(tmp_path)] == [".part"]
        aside.write(CONTENT[10:])
        order.append("first")
        aside.commit()
    second.join(20)
    assert order == ["first", "second"]
    assert [path.read_bytes() for path in files_in(tmp_path)] == [CONTENT]


def test_whoever_waits_for_another_run_stops_waiting_when_its_own_run_stops(
    tmp_path: Path,
) -> None:
    one, other = Folder(tmp_path), Folder(tmp_path)
    failed: list[str] = []

    def wait_for_it() -> None:
        try:
            with other.alone(KEY):
                failed.append("was let in")
        except Exception as error:
            failed.append(type(error).__name__)

    waiting = threading.Thread(target=wait_for_it)
    with one.alone(KEY):
        waiting.start()
        pause(0.1)
        other.stop()
        waiting.join(20)
        assert not waiting.is_alive()
    assert failed == ["StoppedStoringError"]


def test_a_document_that_does_not_come_leaves_no_folder(papers: Papers, tmp_path: Path) -> None:
    papers.receipts(1)
    papers.always("a0", 404)
    papers.run(attachments_path=tmp_path)
    assert list((tmp_path / "transaction_attachments").iterdir()) == []


# What is written aside on this machine before it goes to an object store


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_temporary_copies_are_for_nobody_else_and_do_not_stay(temporary: Path) -> None:
    workshop = Workshop()
    path = workshop.new()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.parent.parent == temporary
    workshop.close()
    workshop.close()
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_the_next_start_sweeps_what_a_killed_run_left_but_not_what_a_living_one_uses(
    papers: Papers, temporary: Path
) -> None:
    papers.receipts(20, CONTENT)
    papers.always("a3", "stall")
    living = Workshop()
    in_use = living.new()
    with (
        DemoServer(papers.api) as server,
        start_process(
            # A store of this machine that is reached by a driver, as an object store is.
            {**config_for(server), "attachments_path": f"simplecache::file://{temporary}/store"},
            catalog=catalog_of(RECEIPTS),
            env={"TMPDIR": str(temporary)},
        ) as tap,
    ):
        left: list[Path] = []
        for _ in range(1_000):
            left = [path for path in temporary.glob("tap-qonto-*/*")
                    if path not in (in_use, in_use.with_name("lock"))]  # fmt: skip
            if any(path.name != "lock" and path.stat().st_size for path in left if path.exists()):
                break
            pause(0.02)
        tap.send_signal(signal.SIGKILL)
        tap.wait(20)
    left = [path for path in left if path.exists()]
    assert [path for path in left if path.name != "lock"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in left} == {0o600}
    after = Workshop()
    assert not any(path.exists() for path in left)
    assert in_use.exists()
    after.close()
    living.close()
    assert list(temporary.glob("*tap-qonto*")) == []


def test_a_folder_of_that_name_which_is_a_link_is_left_alone(
    tmp_path: Path, temporary: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    (temporary / "tap-qonto-evil").symlink_to(elsewhere)
    Workshop().close()
    assert (elsewhere / "lock").exists()
    assert [path.name for path in temporary.iterdir()] == ["tap-qonto-evil"]
