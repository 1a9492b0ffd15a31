"""Build hooks: configurations in the wheel, and addresses in the metadata once the project has one."""

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


class Configurations(BuildHookInterface):  # type: ignore[type-arg]
    """Put every configuration into the package; an editable install finds them in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files before the wheel is built."""
        if version != "editable":
            for path in sorted(Path(self.root, "configs").glob("*.yaml")):
                build_data["force_include"][str(path)] = f"lr_callbacks/configs/{path.name}"


class Addresses(MetadataHookInterface):
    """From `repository` in pyproject.toml: the project's links, and absolute links in the README that PyPI shows."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in `urls` and `readme`."""
        repository = str(self.config.get("repository", "")).rstrip("/")
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": with_absolute_links(text, repository)}
        if repository:
            metadata["urls"] = {
                "Source": repository,
                "Documentation": f"{repository}/blob/main/docs/index.md",
                "Changelog": f"{repository}/blob/main/CHANGELOG.md",
                "Issues": f"{repository}/issues",
            }


def with_absolute_links(text: str, repository: str) -> str:
    """A page in Markdown whose relative links and pictures lead to a repository; as it is without one."""
    if not repository:
        return text
    text = re.sub(r"(!\[[^]]*\]\()(?![a-z]+:|#)", rf"\g<1>{repository}/raw/main/", text)
    return re.sub(r"((?<!!)\[[^]]*\]\()(?![a-z]+:|#)", rf"\g<1>{repository}/blob/main/", text)
