"""Pure: what is wrong with a command line or a configuration, in one line that names the file and the entry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

KEY = re.compile(r'Parser key "(\S+)"(?: element \d+)?:')
VALUE = re.compile(r"(?:Given|Got) value: (.+?)(?:\. Got value: .*)?$", re.MULTILINE)
POSITION = r'\s*in "<\w+ string>", line (\d+), column (\d+):?'


def syntax_error(message: str) -> str | None:
    r"""Why a file is not YAML, and where; None if the message is about something else.

    Example:
        >>> syntax_error(
        ...     "Problems parsing config: mapping values are not allowed in this context\n"
        ...     '  in "<unicode string>", line 3, column 13'
        ... )
        'mapping values are not allowed in this context (line 3, column 13)'
    """
    start = "Problems parsing config: "
    if not message.startswith(start):
        return None
    places = re.findall(POSITION, message)
    where = f" (line {places[-1][0]}, column {places[-1][1]})" if places else ""
    lines = [line.strip() for line in re.sub(POSITION, "\n", message.removeprefix(start)).splitlines()]
    return ", ".join(line for line in lines if line) + where


def not_used_here(message: str) -> str | None:
    """What to write instead of LightningCLI's `--optimizer` and `--lr_scheduler`; None if the message is about others.

    Example:
        >>> not_used_here("unrecognized arguments: --lr_scheduler=StepLR --lr_scheduler.step_size=2")
        '--lr_scheduler is not used here. Write --trainer.callbacks+=CosineAnnealing, for example, or --trainer.callbacks+=TorchScheduler --trainer.callbacks.scheduler=StepLR --trainer.callbacks.scheduler.step_size=2'
        >>> not_used_here("Subcommand 'fit' does not accept option 'optimizer.lr'")
        'optimizer is not used here. If your module takes optimizer: OptimizerCallable, write --model.optimizer=AdamW --model.optimizer.lr=0.01; otherwise set it in configure_optimizers'
    """  # noqa: E501
    if not (found := re.search(r"(?:arguments: |option ')(--)?(optimizer|lr_scheduler)\b", message)):
        return None
    given = re.findall(rf"--{found[2]}([.\w]*)[= ](\S+)", message)
    if found[2] == "optimizer":
        flags = " ".join(f"--model.optimizer{name}={value}" for name, value in given)
        flags = flags or "--model.optimizer=AdamW --model.optimizer.lr=0.01"
        way_out = f"If your module takes optimizer: OptimizerCallable, write {flags}"
        way_out += "; otherwise set it in configure_optimizers"
    else:
        flags = " ".join(f"--trainer.callbacks.scheduler{name}={value}" for name, value in given)
        flags = f"--trainer.callbacks+=TorchScheduler {flags or '--trainer.callbacks.scheduler=StepLR'}"
        way_out = f"Write --trainer.callbacks+=CosineAnnealing, for example, or {flags}"
    return f"{found[1] or ''}{found[2]} is not used here. {way_out}"


def unknown_command(message: str) -> str | None:
    """What to say of a command that does not exist; None if the message is about something else.

    Example:
        >>> unknown_command("argument subcommand: invalid choice: 'fitt' (choose from 'fit', 'plot')")
        "no command is called 'fitt'. Did you mean fit? Commands: init, fit, plot"
    """
    found = re.search(r"subcommand: invalid choice: '(.*)' \(choose from (.*)\)", message)
    if not found:
        return None
    commands = ["init", *re.findall(r"[\w-]+", found[2])]
    near = get_close_matches(found[1], commands, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"no command is called {found[1]!r}.{hint} Commands: {', '.join(commands)}"


def missing_file(message: str) -> str | None:
    r"""What to say of a configuration that does not exist; None if the message is about something else.

    Example:
        >>> missing_file("Parser key \"config\": File does not exist: '/home/me/my_rum.yaml'")
        'Configuration not found: /home/me/my_rum.yaml. To write a commented one: lr-callbacks init'
    """
    found = re.search(r"""Parser key "config": File does not exist: '(.*)'""", message)
    return f"Configuration not found: {found[1]}. To write a commented one: lr-callbacks init" if found else None


def missing_argument(message: str) -> str | None:
    """What to write where a callback lacks an argument; None if the message is about something else.

    Example:
        >>> text = "Problem with given class_path 'lr_callbacks.Warmup': the following arguments are required: duration"
        >>> missing_argument(f'Parser key "trainer.callbacks": {text}')
        'Warmup needs duration. Write --trainer.callbacks.duration=VALUE after --trainer.callbacks+=Warmup'
    """
    found = re.search(
        r"given class_path '(?:\w+\.)*(\w+)':\s+the following arguments are required: ([\w.]+)(?:, [\w.]+)*", message
    )
    if not found or not message.startswith('Parser key "trainer.callbacks"'):
        return None
    return (
        f"{found[1]} needs {found[2]}. Write --trainer.callbacks.{found[2]}=VALUE after --trainer.callbacks+={found[1]}"
    )


def entry_of(message: str) -> str | None:
    r"""The entry that a message is about, by its full name.

    Example:
        >>> entry_of("Subcommand 'fit' does not accept option 'trainer.epochs'")
        'trainer.epochs'
        >>> entry_of('Parser key "model":\n    Problem ...:\n        Parser key "width":\n          Expected a ...')
        'model.width'
    """
    option = re.search(r"does not accept option '(\S+)'", message)
    return option[1] if option else ".".join(key[1] for key in _keys(message)) or None


def _keys(message: str) -> list[re.Match[str]]:
    """The nested entries that a message names; those of alternative types after the first are left out."""
    keys: list[re.Match[str]] = []
    for key in KEY.finditer(message):
        if keys and _indent(message, key) <= _indent(message, keys[-1]):
            break
        keys.append(key)
    return keys


def _indent(message: str, match: re.Match[str]) -> int:
    line = message[message.rfind("\n", 0, match.start()) + 1 :]
    return len(line) - len(line.lstrip(" "))


def wrong_value(message: str) -> str | None:
    r"""What an entry must be and what was given, where its type is wrong; None if the message is about something else.

    Example:
        >>> wrong_value(
        ...     'Parser key "trainer.max_epochs":\n  Does not validate against any of the Union subtypes\n  Errors:\n'
        ...     "    - Expected a <class 'int'>\n    - Expected a <class 'NoneType'>\n  Given value: many"
        ... )
        "trainer.max_epochs must be int or null, got 'many'"
    """
    keys = _keys(message)
    if not keys:
        return None
    rest = message[keys[-1].end() :]
    given = VALUE.search(rest)
    if given is None or "class_path" in rest[: given.start()] or "subclass" in rest[: given.start()]:
        return None
    types = re.findall(r"Expected an? (?!path but)(.+?)(?=\. |: |$)", rest[: given.start()], re.MULTILINE)
    if not types:
        return None
    allowed = dict.fromkeys(choice for text in types for choice in _types(text))
    near = get_close_matches(given[1], [choice.strip("'") for choice in allowed if choice[0] == "'"], n=1, cutoff=0.5)
    hint = f". Did you mean {near[0]!r}?" if near else ""
    return f"{entry_of(message)} must be {_or(list(allowed))}, got {given[1]!r}{hint}"


def _or(choices: Sequence[str]) -> str:
    """Choices in a sentence.

    Example:
        >>> _or(["int"]), _or(["'cos'", "'linear'", "null"])
        ('int', "'cos', 'linear' or null")
    """
    return " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))


def _types(text: str) -> list[str]:
    """A type, or the values that it allows, as a user of YAML knows them."""
    literal = re.fullmatch(r"typing\.Literal\[(.+)\]", text)
    if literal:
        return literal[1].split(", ")
    name = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)
    return [{"NoneType": "null", "dot import path string": "the import path of a class"}.get(name, name)]


def file_of(message: str, files: Sequence[tuple[str, Any]]) -> str | None:
    """The last of the files with the entry, and the value, that a message is about.

    Args:
        message: From the parser.
        files: Name and content of each configuration, in the order in which they were read.

    Example:
        >>> files = [("a.yaml", {"trainer": {"epochs": 3}}), ("b.yaml", {"trainer": None})]
        >>> file_of("Subcommand 'fit' does not accept option 'trainer.epochs'", files)
        'a.yaml'
    """
    entry = entry_of(message)
    if entry is None or "NestedArg(" in message:  # of the command line
        return None
    option = "does not accept option" in message
    top = entry if option else entry_of(message.partition("\n")[0]) or entry
    given = VALUE.search(message)
    name: str
    for name, node in reversed(files):
        for part in top.split("."):
            node = node.get(part, KeyError) if isinstance(node, Mapping) else KeyError
        if node is not KeyError and (option or (given is not None and given[1] in str(node))):
            return name
    return None
