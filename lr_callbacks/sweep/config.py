"""Pure: values of a grid put into a resolved configuration of the command line."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

LR_PLACES = ("model.optimizer.lr", "model.lr", "model.learning_rate")
SCHEDULE = "schedule"


def set_value(config: dict[str, Any], path: str, value: Any) -> None:
    """Set one value; `init_args` need not be written, entries of a list are counted from 0.

    Args:
        config: Resolved, so that everything that can be set is there; changed in place.
        path: Such as "model.width", "data.batch_size" or "trainer.callbacks.0.max_lr".
        value: The value.

    Raises:
        ValueError: If there is no such entry; the message lists what there is.

    Example:
        >>> config = {"model": {"class_path": "Net", "init_args": {"width": 8}}}
        >>> set_value(config, "model.width", 32)
        >>> config["model"]["init_args"]["width"]
        32
        >>> set_value(config, "model.widht", 32)
        Traceback (most recent call last):
        ValueError: an axis must be an entry of the configuration, got 'model.widht'; at model there are: width
    """
    node, key = _find(config, path)
    node[key] = value


def _find(config: dict[str, Any], path: str, new: bool = False) -> tuple[Any, Any]:
    """The dictionary or list that an entry is in, and its key there.

    Args:
        config: Configuration.
        path: Of the entry.
        new: Whether an entry of a dictionary may be missing; it is then made, and the parser has to judge it.
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
            place = ".".join(parts[:depth]) or "the top"
            raise ValueError(
                f"an axis must be an entry of the configuration, got {path!r}; at {place} there are: {', '.join(known)}"
            )
        key = int(part) if isinstance(node, list) else part
        if depth == len(parts) - 1:
            break
        node = node[key]
        if not isinstance(node, dict | list):
            node = {}
    return node, key


def find_lr(config: dict[str, Any]) -> str:
    """Where the learning rate (LR) of a configuration stands.

    Raises:
        ValueError: If at none of the usual places.
    """
    for place in LR_PLACES:
        try:
            set_value(copy.deepcopy(config), place, 0.1)
        except ValueError:
            continue
        return place
    raise ValueError(
        f"the learning rate must be at {', '.join(LR_PLACES)}, and is at none of them; say where, such as "
        "--lr_key model.optimizer_args.lr"
    )


def check_peaks(config: Mapping[str, Any], place: str, schedules: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    """Refuse callbacks with an LR of their own beside an axis that is the LR somewhere else: it would change nothing.

    Args:
        config: Resolved configuration.
        place: Path of the LR that is an axis.
        schedules: Name -> callbacks that are added to those of the configuration.

    Raises:
        ValueError: If there is one.
    """
    if place.startswith("trainer.callbacks"):
        return
    callbacks = enumerate(callbacks_of(config))
    known = [(callback, f"write --lr_key trainer.callbacks.{index}.max_lr") for index, callback in callbacks]
    added = [(callback, f"take it out of {name!r}") for name, entry in schedules.items() for callback in entry]
    for callback, way in [*known, *added]:
        name = str(callback.get("class_path", "a callback")).rpartition(".")[2]
        options = callback.get("init_args") or {}
        if name == "LearningRateFinder":
            if options.get("update_attr", True):
                raise ValueError(
                    f"LearningRateFinder must not set the LR in a sweep of {place}, got update_attr: true; write "
                    "update_attr: false, or leave it out and write --with-range-test"
                )
            continue
        if name == "LRRangeTest":
            if options.get("apply", True):
                raise ValueError(
                    f"LRRangeTest must not set the LR in a sweep of {place}, got apply: true; write apply: false, "
                    "or leave it out and write --with-range-test"
                )
            continue
        peak = _peak(options)
        if peak is not None:
            raise ValueError(
                f"{name} must not set its own max_lr in a sweep of {place}, got {peak}; leave max_lr out (it "
                f"is then the optimizer's LR), or {way}"
            )


def _peak(node: Any) -> Any:
    """The first max_lr in an entry or below, as in the scheduler of a `TorchScheduler`."""
    if isinstance(node, Mapping):
        if node.get("max_lr") is not None:
            return node["max_lr"]
        node = list(node.values())
    if isinstance(node, list):
        return next((peak for peak in map(_peak, node) if peak is not None), None)
    return None


def callbacks_of(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The callbacks of a configuration, as a list, whatever form they were given in."""
    callbacks = config["trainer"].get("callbacks") or []
    return list(callbacks) if isinstance(callbacks, list) else [callbacks]


def at_point(
    config: Mapping[str, Any],
    point: Mapping[str, Any],
    lr_key: str | None,
    schedules: Mapping[str, Sequence[dict[str, Any]]],
) -> dict[str, Any]:
    """A copy of the configuration with the values of a point in it.

    Another class than the one that is there comes with its own defaults, and with those values of the point that are
    for its arguments; the one that is there keeps its arguments.

    Args:
        config: Resolved configuration.
        point: Axis -> value. "lr" stands at `lr_key`, "schedule" is a name in `schedules`, others are paths.
        lr_key: Path of the LR.
        schedules: Name -> callbacks that are added to those of the configuration.
    """
    result: dict[str, Any] = copy.deepcopy(dict(config))
    schedule = schedules[point[SCHEDULE]] if schedules and SCHEDULE in point else []
    values = {place_of(name, lr_key): value for name, value in point.items() if name != SCHEDULE or not schedules}
    new_classes: list[str] = []
    for place in sorted(values, key=lambda place: place.count(".")):  # a class comes before what it takes
        node, key = _find(result, place, new=any(place.startswith(f"{other}.") for other in new_classes))
        is_class = isinstance(node[key], dict) and "class_path" in node[key] and isinstance(values[place], str)
        if not is_class:
            node[key] = values[place]
        elif values[place] not in (node[key]["class_path"], node[key]["class_path"].rpartition(".")[2]):
            node[key] = {"class_path": values[place], "init_args": {}}
            new_classes.append(place)
    if schedule:
        result["trainer"]["callbacks"] = callbacks_of(result) + copy.deepcopy(list(schedule))
    return result


def place_of(name: str, lr_key: str | None = None) -> str:
    """Path of what an axis sets; that of a class is the path of what is of this class.

    Example:
        >>> place_of("lr", "model.optimizer.lr"), place_of("model.optimizer.class_path")
        ('model.optimizer.lr', 'model.optimizer')
    """
    return (lr_key if name == "lr" and lr_key else name).removesuffix(".class_path")
