"""Pure: puts the values of a point into a resolved configuration of the command line."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

LR_PLACES = ("model.optimizer.lr", "model.lr", "model.learning_rate")
SCHEDULE = "schedule"
FINDERS = {"LearningRateFinder": "update_attr", "LRRangeTest": "apply"}
"""Callbacks that find an LR -> their option to set it."""
BOUNDED = ("GreedyLR",)
"""Callbacks with a max_lr that is a bound and no peak."""


def _find(config: dict[str, Any], path: str, new: bool = False) -> tuple[Any, Any]:
    """Return the dictionary or list of an entry and its key there; `new` creates it, to be checked by the parser.

    `init_args` may be left out, entries of a list are counted from 0: "trainer.callbacks.0.max_lr".
    """
    node: Any = config
    parts = path.split(".")
    for depth, part in enumerate(parts):
        if isinstance(node, dict) and "init_args" in node and part not in node:
            node = node["init_args"]
        if new and isinstance(node, dict):
            node.setdefault(part, {})
        known = [str(index) for index in range(len(node))] if isinstance(node, list) else list(node or {})
        if part not in known:
            near = get_close_matches(part, known, n=1)
            place = ".".join(parts[:depth])
            guess = f" Did you mean {'.'.join([*parts[:depth], near[0]])}?" if near else ""
            under = f"Under {place}" if place else "At the top"
            raise ValueError(f"{path}: no such entry.{guess} {under}: {', '.join(known)}")
        key = int(part) if isinstance(node, list) else part
        if depth < len(parts) - 1:
            node = node[key] if isinstance(node[key], dict | list) else {}
    return node, key


def find_lr(config: dict[str, Any]) -> str:
    """Find the entry of the learning rate (LR), or raise a ValueError."""
    for place in LR_PLACES:
        with suppress(ValueError):
            _find(config, place)
            return place
    raise ValueError(
        f"no learning rate found at {', '.join(LR_PLACES)}; name its entry, e.g. --lr_key model.optimizer_args.lr"
    )


def check_peaks(config: Mapping[str, Any], place: str, schedules: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """Raise a ValueError if a callback sets its own LR while another entry, `place`, is the axis."""
    if place.startswith("trainer.callbacks"):
        return
    known = [(entry, f"write --lr_key trainer.callbacks.{n}.max_lr") for n, entry in enumerate(callbacks_of(config))]
    known += [(entry, f"remove it from {name!r}") for name, entries in schedules.items() for entry in entries]
    for callback, way in known:
        name = str(callback.get("class_path", "a callback")).rpartition(".")[2]
        options = callback.get("init_args") or {}
        if name in FINDERS:
            option = FINDERS[name]
            if options.get(option, True):
                raise ValueError(
                    f"{name} must not set the LR in a sweep of {place}, got {option}: true; write {option}: false, or "
                    "remove it and use --with-range-test"
                )
        elif name not in BOUNDED and (peak := _peak(options)) is not None:
            raise ValueError(
                f"{name} must not set its own max_lr in a sweep of {place}, got {peak}; remove max_lr (the optimizer's "
                f"LR is then used), or {way}"
            )


def _peak(node: Any) -> Any:
    """The first max_lr in an entry or below it, e.g. in the scheduler of a `TorchScheduler`."""
    if isinstance(node, Mapping):
        if node.get("max_lr") is not None:
            return node["max_lr"]
        node = list(node.values())
    if isinstance(node, list):
        return next((peak for peak in map(_peak, node) if peak is not None), None)
    return None


def callbacks_of(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the callbacks of a configuration as a list."""
    callbacks = config["trainer"].get("callbacks") or []
    return list(callbacks) if isinstance(callbacks, list) else [callbacks]


def at_point(
    config: Mapping[str, Any],
    point: Mapping[str, Any],
    lr_key: str | None,
    schedules: Mapping[str, Sequence[dict[str, Any]]],
) -> dict[str, Any]:
    """Return a copy of the configuration with the values of a point.

    A class that replaces another one gets its own defaults and the point's values for its arguments; the class that is
    already there keeps its arguments. The axis "lr" goes to the path `lr_key`, "schedule" is a name in `schedules`,
    whose callbacks are added; other axes are paths.
    """
    result: dict[str, Any] = copy.deepcopy(dict(config))
    values = {place_of(name, lr_key): value for name, value in point.items() if name != SCHEDULE or not schedules}
    new_classes: list[str] = []
    for place in sorted(values, key=lambda place: place.count(".")):  # a class before its arguments
        node, key = _find(result, place, new=any(place.startswith(f"{other}.") for other in new_classes))
        if not (isinstance(node[key], dict) and "class_path" in node[key] and isinstance(values[place], str)):
            node[key] = values[place]
        elif values[place] not in (node[key]["class_path"], node[key]["class_path"].rpartition(".")[2]):
            node[key] = {"class_path": values[place], "init_args": {}}
            new_classes.append(place)
    if schedules and SCHEDULE in point and schedules[point[SCHEDULE]]:
        result["trainer"]["callbacks"] = callbacks_of(result) + copy.deepcopy(list(schedules[point[SCHEDULE]]))
    return result


def place_of(name: str, lr_key: str | None = None) -> str:
    """Return the path of the entry that an axis sets; for a class_path, that of the object.

    Example:
        >>> place_of("lr", "model.optimizer.lr"), place_of("model.optimizer.class_path")
        ('model.optimizer.lr', 'model.optimizer')
    """
    return (lr_key if name == "lr" and lr_key else name).removesuffix(".class_path")
