"""Whether a command line is about the sample task or about the user's classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

DEMO = "lr_callbacks.demo"
SAMPLE = {"model": f"{DEMO}.DigitsClassifier", "data": f"{DEMO}.DigitsDataModule"}
"""Entry of the configuration -> class of the sample task."""


def is_sample(entry: str, class_path: str) -> bool:
    """Whether a class, named in full or in short, is the one of the sample task.

    Example:
        >>> is_sample("model", "DigitsClassifier"), is_sample("model", "my_module.Net")
        (True, False)
    """
    package, _, name = class_path.rpartition(".")
    return SAMPLE[entry].endswith(f".{name}") and (not package or package.startswith(DEMO))


def names_own_class(words: Sequence[str]) -> bool:
    """Whether a command line, or a configuration file on it, names a model or data that is not the sample's.

    A configuration that cannot be read here, such as a pipe or an address, counts as naming one.

    Args:
        words: Arguments without the program's name.

    Example:
        >>> names_own_class(["fit", "--model=my_module.Net"]), names_own_class(["fit", "--model.channels=8"])
        (True, False)
        >>> names_own_class(["fit", "--config", "{data: {class_path: my_module.Data}}"])
        True
    """
    options = list(_options(words))
    for option, value in options:
        entry = option.removesuffix(".class_path")
        if entry in SAMPLE and _is_own(entry, _yaml(value)):
            return True
    return any(option in ("config", "c") and _file_names_own_class(value, words) for option, value in options)


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and value of each option, written with a `=` or as two words."""
    for index, word in enumerate(words):
        if word.startswith("-"):
            option, equals, value = word.lstrip("-").partition("=")
            yield option, value if equals else words[index + 1] if index + 1 < len(words) else ""


def _file_names_own_class(config: str, words: Sequence[str]) -> bool:
    """Whether a configuration, a file or inline YAML, names a class of the user's own, for all commands or for one."""
    text = config
    if not config.lstrip().startswith("{") and "\n" not in config:
        if not Path(config).exists():
            return False  # the parser reports it
        if not Path(config).is_file():
            return True
        text = Path(config).read_text(encoding="utf-8", errors="replace")
    content = _yaml(text)
    if not isinstance(content, Mapping):
        return False
    parts = [content, *(content[word] for word in words if isinstance(content.get(word), Mapping))]
    return any(_is_own(entry, part.get(entry)) for part in parts for entry in SAMPLE)


def _is_own(entry: str, value: Any) -> bool:
    """Whether the value of an entry names a class, and not the sample's."""
    named = value.get("class_path") if isinstance(value, Mapping) else value
    return isinstance(named, str) and bool(named) and not is_sample(entry, named)


def _yaml(text: str) -> Any:
    """The value of inline YAML; None if it is none: the parser reports that."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None
