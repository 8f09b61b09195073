"""What the package says of its repository, which only the place that builds it knows.

The release workflow runs in the repository, and GitHub names it in `GITHUB_SERVER_URL` and
`GITHUB_REPOSITORY`. From these come the addresses beside those in `[project.urls]`, and absolute
links in README as the package page shows it. Built elsewhere, README's links to files become text:
a package page has no files beside it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """Completes `[project]`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the long description, and add the repository's addresses if they are known.

        Args:
            metadata: The table `[project]`, which is changed.
        """
        named = [os.environ.get(name) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY")]
        address = "/".join(filter(None, named)) if all(named) else None
        files = f"{address}/blob/v{metadata['version']}" if address else None
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, files)}
        if address:
            metadata["urls"] |= {
                "Repository": address,
                "Documentation": f"{files}/README.md",
                "Changelog": f"{files}/CHANGELOG.md",
                "Issues": f"{address}/issues",
            }


def absolute(text: str, files: str | None) -> str:
    """Return Markdown without links to files beside it.

    Args:
        text: The Markdown.
        files: Address under which these files can be read; None makes the links text.
    """

    def replaced(link: re.Match[str]) -> str:
        words, target = link.groups()
        if "://" in target or target.startswith("#"):
            return link[0]
        return f"[{words}]({files}/{target})" if files else words

    return _LINK.sub(replaced, text)
