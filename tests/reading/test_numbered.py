"""Lists without a filter are read by page number, and notice when the pages move under them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api
from tests.kit.answers import alter
from tests.kit.cases import some
from tests.kit.faults import answer
from tests.kit.runner import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Company, Request
    from tests.kit.runner import Run

Row = dict[str, Any]

pytestmark = pytest.mark.usefixtures("slept")

AGAIN = "the list changed while it was read, so it is read again"


@pytest.fixture
def paged(company: Company) -> Api:
    """The API with pages of 5, so that 31 labels take 7."""
    return Api(company, page_limit=5)


def ids(done: Run, stream: str) -> list[str]:
    assert done.exit_code == 0, done.log
    return [row["id"] for row in done.records.get(stream, [])]


def inserting(company: Company, stream: str, times: int) -> Callable[[Request], None]:
    """Insert a row at each of the first requests for a page after the first."""
    [pattern, *_] = company.rows(stream)
    inserted: list[str] = []

    def hook(request: Request) -> None:
        second = request.path == f"/v2/{stream}" and dict(request.query)["page"] == "2"
        if second and len(inserted) < times:
            inserted.append(company.formula.uuid("inserted", len(inserted)))
            company.put(stream, {**pattern, "id": inserted[-1]})

    return hook


@pytest.mark.parametrize("times", some([0, 1, 2], 0, 2))
def test_a_list_that_changed_is_read_again_until_it_holds_still(
    company: Company, paged: Api, times: int
) -> None:
    paged.before.append(inserting(company, "labels", times))
    done = run(api=paged, select=["labels"])
    found = ids(done, "labels")
    assert len(found) == len(set(found)) == company.total("labels")
    first_pages = [query for query in done.asked("/labels") if query["page"] == "1"]
    assert 2 <= len(first_pages) <= times + 2, "two readings must agree"
    assert times <= done.log.count(AGAIN) < len(first_pages)


def test_a_list_that_never_holds_still_is_read_four_times_and_fails(
    company: Company, paged: Api
) -> None:
    paged.before.append(inserting(company, "labels", 1_000))
    done = run(api=paged, select=["labels"])
    assert done.exit_code == 1
    found = [row["id"] for row in done.records["labels"]]
    assert len(found) == len(set(found)) >= 31, "what was read is written"
    assert done.log.count(AGAIN) == 3
    assert "What was read was written" in done.log.splitlines()[-1]
    assert sum(query["page"] == "1" for query in done.asked("/labels")) == 4


def test_a_list_on_one_page_is_read_once(company: Company) -> None:
    done = run(api=Api(company), select=["labels"])
    assert len(ids(done, "labels")) == company.total("labels") <= 100
    assert len(done.asked("/labels")) == 1


def test_a_row_that_leaves_pulls_no_other_row_out_of_sight(company: Company, paged: Api) -> None:
    first = [row["id"] for row in company.rows("labels")][:2]

    def hook(request: Request) -> None:
        if dict(request.query).get("page") == "2" and first:
            company.remove("labels", first.pop())

    paged.before.append(hook)
    done = run(api=paged, select=["labels"])
    remaining = {row["id"] for row in company.rows("labels")}
    assert remaining <= set(ids(done, "labels"))
    assert not first
    assert AGAIN in done.log


def test_a_page_that_holds_fewer_rows_than_were_counted_is_noticed(
    company: Company, paged: Api
) -> None:
    short = iter([True])

    def shorten(body: Row) -> None:
        if body["meta"]["current_page"] == 3 and next(short, False):
            del body["labels"][-1]

    alter(paged, "/labels", shorten)
    done = run(api=paged, select=["labels"])
    assert len(ids(done, "labels")) == company.total("labels")
    assert AGAIN in done.log


def drop(*names: str) -> Callable[[Row], None]:
    def change(body: Row) -> None:
        for name in names:
            body.get("meta", {}).pop(name, None)  # a refusal has none

    return change


def rename(old: str, new: str) -> Callable[[Row], None]:
    def change(body: Row) -> None:
        body["meta"][new] = body["meta"].pop(old)

    return change


def lie_about_next_page(body: Row) -> None:
    body["meta"]["next_page"] = 1


METAS: dict[str, Callable[[Row], None]] = {
    "no next_page": drop("next_page"),
    "next_page and prev_page missing": drop("next_page", "prev_page"),
    "previous_page for prev_page": rename("prev_page", "previous_page"),
    "total for total_count": rename("total_count", "total"),
    "no per_page": drop("per_page"),
    "no current_page": drop("current_page"),
    "next_page that leads back": lie_about_next_page,
    "no total_pages": drop("total_pages", "per_page"),
    "no total_count": drop("total_count"),
}


@pytest.mark.parametrize(
    "meta", some(METAS, "no next_page", "next_page that leads back", "no total_pages")
)
def test_every_form_of_meta_leads_to_the_last_page(company: Company, meta: str) -> None:
    [pattern, *_] = company.rows("labels")
    for number in range(220):
        company.put("labels", {**pattern, "id": company.formula.uuid("many", number)})
    api = Api(company)
    alter(api, "/labels", METAS[meta])
    done = run(api=api, select=["labels"])
    found = ids(done, "labels")
    assert len(found) == len(set(found)) == company.total("labels")
    assert len(done.asked("/labels")) == 2 * 3, "two readings of three pages"


def without_meta(body: Row) -> Row:
    return {name: value for name, value in body.items() if name != "meta"}


KINDS = [("labels", "/labels"), ("beneficiaries", "/sepa/beneficiaries")]
"""A list in no order, and one that is newest first."""


@pytest.mark.parametrize(("stream", "path"), KINDS)
def test_a_list_without_meta_is_read_until_no_page_follows(
    company: Company, stream: str, path: str
) -> None:
    [pattern, *_] = company.rows(stream)
    for number in range(180):
        company.put(stream, {**pattern, "id": company.formula.uuid("many", number)})
    api = Api(company)
    alter(api, path, without_meta)
    done = run(api=api, select=[stream])
    found = ids(done, stream)
    assert len(found) == len(set(found)) == company.total(stream) > 200
    assert len(done.asked(path)) == 2 * (-(-len(found) // 100) + 1)


@pytest.mark.parametrize(("stream", "path"), some(KINDS, "labels"))
def test_a_list_without_meta_may_have_pages_shorter_than_asked_for(
    company: Company, stream: str, path: str
) -> None:
    api = Api(company, page_limit=7)
    alter(api, path, without_meta)
    found = ids(run(api=api, select=[stream]), stream)
    assert len(found) == len(set(found)) == company.total(stream) > 7


@pytest.mark.parametrize("status", some([404, 422], 404))
@pytest.mark.parametrize(("stream", "path"), KINDS)
def test_a_page_beyond_the_last_one_may_be_unknown(
    company: Company, stream: str, path: str, status: int
) -> None:
    api = Api(company, page_limit=100)
    while company.total(stream) > 60:
        company.remove(stream, next(iter(company.rows(stream)))["id"])
    alter(api, path, without_meta)
    beyond = answer(status, {"errors": []})
    api.before.insert(
        0, lambda request: beyond(request) if ("page", "2") in request.query else None
    )
    assert len(ids(run(api=api, select=[stream]), stream)) == company.total(stream) > 0


@pytest.mark.parametrize(("stream", "path"), some(KINDS, "labels"))
def test_a_list_without_meta_may_end_with_a_whole_page(
    company: Company, stream: str, path: str
) -> None:
    [pattern, *_] = company.rows(stream)
    for number in range(-company.total(stream) % 100):
        company.put(stream, {**pattern, "id": company.formula.uuid("many", number)})
    api = Api(company)
    alter(api, path, without_meta)
    done = run(api=api, select=[stream])
    assert len(ids(done, stream)) == company.total(stream)
    assert company.total(stream) % 100 == 0
    assert AGAIN not in done.log


def test_shorter_pages_of_a_list_that_is_newest_first_are_counted_by_their_size(
    company: Company,
) -> None:
    api = Api(company, page_limit=7)
    alter(api, "/sepa/beneficiaries", drop("total_pages"))
    done = run(api=api, select=["beneficiaries"])
    assert len(ids(done, "beneficiaries")) == company.total("beneficiaries")


@pytest.mark.parametrize(
    ("stream", "path"), some([("labels", "/labels"), ("transactions", "/transactions")], "labels")
)
def test_pages_shorter_than_asked_for_are_counted_as_they_are(
    company: Company, stream: str, path: str
) -> None:
    api = Api(company, page_limit=7)
    alter(api, path, drop("total_pages", "per_page"))
    found = ids(run(api=api, select=[stream]), stream)
    assert len(found) == len(set(found)) == company.total(stream)


@pytest.mark.parametrize(("stream", "path"), some(KINDS, "labels"))
def test_a_list_without_meta_that_ignores_the_page_does_not_go_on_for_ever(
    company: Company, stream: str, path: str
) -> None:
    api = Api(company)
    [pattern, *_] = company.rows(stream)
    page = [{**pattern, "id": company.formula.uuid("same", number)} for number in range(100)]
    alter(api, path, lambda _: {stream: page})
    done = run(api=api, select=[stream])
    assert len(ids(done, stream)) == 100
    assert len(done.asked(path)) <= 2 * 2


@pytest.mark.parametrize(
    "stream", some(["beneficiaries", "recurring_transfers"], "recurring_transfers")
)
def test_changes_in_a_list_sorted_newest_first_lose_nothing(company: Company, stream: str) -> None:
    api = Api(company, page_limit=3)
    path = f"/v2/sepa/{stream}"
    oldest = sorted(company.rows(stream), key=lambda row: str(row["updated_at"]))
    existed = {row["id"] for row in oldest}
    changes: list[str] = []

    def hook(request: Request) -> None:
        page = dict(request.query).get("page", "")
        if request.path == path and page in {"2", "3"} and len(changes) < 4:
            changes.append(page)
            company.change(stream, oldest.pop(0)["id"])  # jumps to the front
            if page == "3":
                existed.discard(oldest[-1]["id"])
                company.remove(stream, oldest.pop()["id"])  # pulls the rest forward

    api.before.append(hook)
    done = run(api=api, select=[stream])
    assert existed <= set(ids(done, stream))
    assert AGAIN in done.log


def test_a_list_that_grows_in_front_holds_still_enough(company: Company) -> None:
    api = Api(company, page_limit=20)
    existed = {row["id"] for row in company.rows("beneficiaries")}
    [pattern, *_] = company.rows("beneficiaries")
    count = iter(range(1_000))

    def hook(request: Request) -> None:
        if request.path == "/v2/sepa/beneficiaries":
            new = company.formula.uuid("new", next(count))
            at = "2199-11-22T00:00:00.000Z"
            company.put("beneficiaries", {**pattern, "id": new, "updated_at": at})

    api.before.append(hook)
    done = run(api=api, select=["beneficiaries"])
    assert existed <= set(ids(done, "beneficiaries"))
    assert AGAIN not in done.log


def test_a_list_that_kept_shrinking_leaves_the_bookmark_where_it_was(company: Company) -> None:
    api = Api(company, page_limit=20)
    rows = [row["id"] for row in company.rows("beneficiaries")]

    def hook(request: Request) -> None:
        if dict(request.query).get("page") == "2":
            company.remove("beneficiaries", rows.pop())

    api.before.append(hook)
    done = run(api=api, select=["beneficiaries"])
    assert done.exit_code == 1
    assert done.bookmark("beneficiaries") is None
    assert "What was read was written" in done.log.splitlines()[-1]
