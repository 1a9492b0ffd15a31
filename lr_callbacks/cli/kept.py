"""Arguments that a class inherits from the default that it replaces: `--model.optimizer=AdamW` keeps SGD's LR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from pydoc import locate
from typing import Any, TypeGuard

from jsonargparse import ArgumentParser


def kept_arguments(model: Mapping[str, Any], words: Sequence[str], files: Sequence[tuple[str, Any]]) -> list[str]:
    """Messages about values of the default class that another class for the same argument keeps.

    LightningCLI keeps the values of all arguments that both classes have. Values given on the command line or in a file
    are not mentioned.

    Args:
        model: Its entry of the configuration: class_path and init_args.
        words: Arguments without the program's name.
        files: Name and content of each configuration.

    Example:
        >>> adamw = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.02, "weight_decay": 0.0}}
        >>> model = {"class_path": "lr_callbacks.demo.DigitsClassifier", "init_args": {"optimizer": adamw}}
        >>> kept_arguments(model, ["fit", "--model.optimizer=AdamW", "--model.optimizer.weight_decay=0.0"], [])
        ['AdamW keeps lr 0.02 of the default SGD; its own is 0.001. To set it: --model.optimizer.lr=0.001']
    """
    notes = []
    defaults: dict[str, Any] | None = None
    for name, chosen in dict(model.get("init_args") or {}).items():
        if not _is_class(chosen):
            continue
        defaults = _defaults(str(model["class_path"])) if defaults is None else defaults
        default = defaults.get(name)
        if not _is_class(default) or default["class_path"] == chosen["class_path"]:
            continue
        own = {key: value.default for key, value in signature(_class(chosen["class_path"])).parameters.items()}
        given = chosen.get("init_args") or {}
        kept = {
            key: value
            for key, value in dict(default.get("init_args") or {}).items()
            if key in given
            and given[key] == value
            and key in own
            and own[key] != value
            and not _is_given((name, key), words, files)
        }
        if kept:
            short = [_short(each["class_path"]) for each in (chosen, default)]
            values = ", ".join(f"{key} {value}" for key, value in kept.items())
            others = ", ".join(str(own[key]) for key in kept)
            flags = " ".join(f"--model.{name}.{key}={own[key]}" for key in kept)
            its, it = ("its own is", "it") if len(kept) == 1 else ("its own are", "them")
            notes.append(f"{short[0]} keeps {values} of the default {short[1]}; {its} {others}. To set {it}: {flags}")
    return notes


def _is_class(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and "class_path" in value


def _class(class_path: str) -> Any:
    return locate(class_path)


def _short(class_path: str) -> str:
    return class_path.rpartition(".")[2]


def _defaults(class_path: str) -> dict[str, Any]:
    """The defaults of a class as jsonargparse reads them from its signature."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(_class(class_path), "model", fail_untyped=False)
    return dict(parser.get_defaults().as_dict().get("model") or {})


def _is_given(names: tuple[str, str], words: Sequence[str], files: Sequence[tuple[str, Any]]) -> bool:
    """Whether an argument of an argument of the model is given on the command line or in a file."""
    options = {word.lstrip("-").partition("=")[0].replace(".init_args", "") for word in words}
    if f"model.{names[0]}.{names[1]}" in options:
        return True
    for _, content in files:
        node = content.get("model") if isinstance(content, Mapping) else None
        for name in names:
            node = node.get("init_args", node) if isinstance(node, Mapping) else None
            node = node.get(name) if isinstance(node, Mapping) else None
        if node is not None:
            return True
    return False
