"""The same rows by dlt: its REST source, an account after a page number, in parallel, as Parquet.

Runs in an environment of its own, which has dlt and DuckDB, never in the project's.

Usage: dlt_pipeline.py API_URL LOGIN SECRET_KEY FOLDER
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> None:
    """Load the transactions of all accounts into FOLDER/dlt.duckdb."""
    url, login, secret_key, folder = sys.argv[1:]
    headers = {"Authorization": f"{login}:{secret_key}"}
    answer = requests.get(f"{url}/organization", headers=headers, timeout=60).json()
    accounts = [account["id"] for account in answer["organization"]["bank_accounts"]]

    # By name, because the project's environment, in which types are checked, has no dlt.
    dlt: Any = import_module("dlt")
    rest_api: Any = import_module("dlt.sources.rest_api")

    def source() -> Iterator[Any]:
        yield from rest_api.rest_api_resources(
            {
                "client": {"base_url": f"{url}/", "headers": headers},
                "resources": [resource(account) for account in accounts],
            }
        )

    pipeline = dlt.pipeline(
        pipeline_name="qonto",
        pipelines_dir=folder,
        destination=dlt.destinations.duckdb(f"{folder}/dlt.duckdb"),
        dataset_name="qonto",
    )
    pipeline.run(dlt.source(source, name="qonto")(), loader_file_format="parquet")


def resource(account: str) -> dict[str, Any]:
    """Return what dlt is told of the transactions of an account."""
    return {
        "name": f"transactions_{account.replace('-', '')}",
        "table_name": "transactions",
        "primary_key": "id",
        "write_disposition": "append",
        "parallelized": True,
        "endpoint": {
            "path": "transactions",
            "data_selector": "transactions",
            "params": {
                "bank_account_id": account,
                "status[]": ["pending", "declined", "completed"],
                "includes[]": ["vat_details", "labels", "attachments"],
                "sort_by": "updated_at:asc",
                "per_page": 100,
            },
            "paginator": {
                "type": "page_number",
                "base_page": 1,
                "total_path": "meta.total_pages",
            },
        },
    }


if __name__ == "__main__":
    main()
