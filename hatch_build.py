"""Gives the package its links on PyPI, from ``owner.toml``; hatchling runs it in every build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.metadata.core import load_toml
from hatchling.metadata.plugin.interface import MetadataHookInterface

LINKS = ("repository", "documentation")


class OwnersLinks(MetadataHookInterface):
    """Fill in the dynamic field ``urls``; a link whose address is not known yet is left out."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the links."""
        owner = load_toml(str(Path(self.root) / "owner.toml"))
        metadata["urls"] = {link.capitalize(): owner[link] for link in LINKS if owner[link]}
