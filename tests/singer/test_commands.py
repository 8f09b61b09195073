"""What the shell starts loads no more than a run needs, and all of it when it is needed."""

from __future__ import annotations

import json
import subprocess
import sys

STARTED = """
import gc, json, sys
from tap_qonto.commands import LATER, lightly
with lightly():
    from tap_qonto.tap import TapQonto
    from tap_qonto.target import TargetQonto
heavy = [*LATER, "fsspec", "asyncio", "arrow", "regex", "filelock", "pypdf", "tap_qonto.demo"]
loaded = [name for name in heavy if name in sys.modules]
collecting = gc.isenabled()
from singer_sdk import target_base
from singer_sdk.helpers import _batch
with target_base.parallel_config(backend="threading", n_jobs=2):
    lengths = target_base.Parallel()(target_base.delayed(len)(text) for text in ("a", "bc"))
import backoff, joblib
@backoff.on_exception(backoff.expo, ValueError)
async def later(): return 7
import asyncio
from jsonschema import Draft202012Validator
def fits(text, form):
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator({"format": form}, format_checker=checker).is_valid(text)
from jsonschema import Draft3Validator
def colored(text):
    checker = Draft3Validator.FORMAT_CHECKER
    return Draft3Validator({"format": "color"}, format_checker=checker).is_valid(text)
import requests
from singer_sdk.about import get_supported_pythons
from singer_sdk.batch import entry_points
from singer_sdk.streams.rest import extract_jsonpath
answer = requests.Response()
answer._content = "d\u00e9j\u00e0 vu, No\u00ebl".encode() * 9
print(json.dumps([
    loaded, collecting, lengths, str(_batch.UPath("/srv/x")), asyncio.run(later()),
    joblib.__name__, hasattr(joblib, "Memory"),
    [fits("PT5M", "duration"), fits("5 minutes", "duration")],
    [fits("https://a.b/c", "uri"), fits("no uri", "uri")],
    [colored("red"), colored("reddish")],
    list(extract_jsonpath("$.a[*]", {"a": [1, 2]})), answer.apparent_encoding,
    len(entry_points(group="console_scripts")) > 0, list(get_supported_pythons(">=3.13")),
]))
"""


def test_a_command_loads_heavy_modules_only_when_something_of_them_is_called() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED], check=True, capture_output=True, text=True
    )
    assert not done.stderr, "a version is missed"
    loaded, collecting, *results = json.loads(done.stdout)
    assert loaded == []
    assert collecting
    parallel, formats = [[1, 2], "/srv/x", 7, "joblib", True], [[True, False]] * 3
    assert results == [*parallel, *formats, [1, 2], "utf-8", True, ["3.13", "3.14"]]
