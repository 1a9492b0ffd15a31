"""The parameters of a constructor, with those that it passes on to its base classes."""

from __future__ import annotations

import inspect

_PARAMETERS: dict[type, dict[str, inspect.Parameter]] = {}


def parameters_of(kind: type) -> dict[str, inspect.Parameter]:
    """The parameters of a class's constructor, and those that it passes on to its base classes as ``**options``."""
    if kind not in _PARAMETERS:
        found: dict[str, inspect.Parameter] = {}
        for each in kind.__mro__:
            if "__init__" not in vars(each) or each is object:
                continue
            own = list(inspect.signature(vars(each)["__init__"]).parameters.values())[1:]
            for parameter in own:
                if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                    found.setdefault(parameter.name, parameter)
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
                break
        _PARAMETERS[kind] = found
    return _PARAMETERS[kind]


def equal(value: object, default: object) -> bool:
    """Whether a value is the default: of numbers 1 and 1.0 are equal, and True and 1 are not."""
    return (
        value is default
        or (type(value) is type(default) and value == default)
        or (isinstance(value, int | float) and isinstance(default, int | float) and value == default)
    )
