"""What the wheel holds beside the package: the commented configurations, which `lr-callbacks init` copies."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Configurations(BuildHookInterface):  # type: ignore[type-arg]
    """Put every configuration into the package; an editable install finds them in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files before the wheel is built."""
        if version != "editable":
            for path in sorted(Path(self.root, "configs").glob("*.yaml")):
                build_data["force_include"][str(path)] = f"lr_callbacks/configs/{path.name}"
