"""What the package says of its repository, which only the place that builds it knows.

The release workflow runs in the repository, and GitHub names it in `GITHUB_SERVER_URL` and
`GITHUB_REPOSITORY`. From these come the addresses beside those in `[project.urls]`, and absolute
links in README as the package page shows it. Built elsewhere, README's links to files become text
and its pictures are left out: a package page has no files beside it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]+)\]\(([^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Completes `[project]`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the long description, and add the repository's addresses if they are known.

        Args:
            metadata: The table `[project]`, which is changed.
        """
        named = [os.environ.get(name) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY")]
        address = "/".join(filter(None, named)) if all(named) else None
        tag = f"v{metadata['version']}"
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, address, tag)}
        if address:
            files = f"{address}/blob/{tag}"
            metadata["urls"] |= {
                "Repository": address,
                "Documentation": f"{files}/README.md",
                "Changelog": f"{files}/CHANGELOG.md",
                "Issues": f"{address}/issues",
            }


def absolute(text: str, address: str | None, tag: str) -> str:
    """Return Markdown without links to files beside it.

    Args:
        text: The Markdown.
        address: The repository's; None makes the links text and leaves pictures out.
        tag: The state of the repository to link to, such as `v1.0.0`.
    """

    def replaced(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        if "://" in target or target.startswith("#"):
            return link[0]
        if not address:
            return "" if picture else words
        # What is at /blob/ is a page about the file.
        view = "raw" if picture else "blob"
        return f"{picture}[{words}]({address}/{view}/{tag}/{target})"

    return _LINK.sub(replaced, text)
