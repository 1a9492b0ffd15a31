"""Parameter groups for an optimizer: lower LRs for lower layers, no weight decay for norms and biases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from lr_callbacks.core.arguments import number, require

Containers = nn.Sequential | nn.ModuleList


def param_groups(
    module: nn.Module,
    *,
    lr: float | None = None,
    layer_decay: float | None = None,
    weight_decay: float | None = None,
    no_decay: bool | Sequence[str] = True,
    layers: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Make named parameter groups of a module: lower LRs for lower layers, no weight decay for norms and biases.

    The LR of a layer is that of the last one times ``layer_decay`` for each layer in between. Layers are the blocks of
    the module from its input to its output, in the order in which it holds them: the members of a ``ModuleList`` or
    ``Sequential``, and what stands before and after it. A norm belongs to the layer before it; what a module holds
    itself, such as a position embedding, to the layer after it. Parameters that need no gradient are left out.

    Groups are called ``"layer_3"`` and ``"layer_3_no_decay"`` (without `layer_decay` ``"decay"`` and ``"no_decay"``),
    so ``groups="layer_3*"`` names them to a callback.

    Args:
        module: The module to train; ``self`` in ``configure_optimizers``.
        lr: The LR of the last layer; each group then has its ``"lr"``. None for the optimizer's: each group then has a
            factor ``"lr_scale"``, which every LR callback of this package, and every scheduler of timm's, applies, and
            nothing else does.
        layer_decay: LR of a layer over that of the one after it, above 0 and at most 1; None for one LR.
        weight_decay: Weight decay of what decays, at least 0; None for the optimizer's.
        no_decay: Whether parameters with one dimension or none (norms, biases) have no weight decay; a list names more,
            by patterns such as ``"*.pos_embed"``. What ``module.no_weight_decay()`` names (models of timm have it)
            has none either. False: all decay alike.
        layers: The layers from input to output, by patterns of parameter names such as ``"blocks.0.*"``, instead of
            those that are found; what none names is of the last.

    Returns:
        Groups for any torch optimizer, from input to output.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If an argument is outside its range, a pattern names no parameter, or none needs a gradient.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(2, 4), nn.LayerNorm(4), nn.Linear(4, 1))
        >>> optimizer = torch.optim.AdamW(param_groups(net, lr=0.1, layer_decay=0.5, weight_decay=0.05))
        >>> for group in optimizer.param_groups:
        ...     print(group["name"], group["lr"], group["weight_decay"], len(group["params"]))
        layer_0 0.05 0.05 1
        layer_0_no_decay 0.05 0.0 3
        layer_1 0.1 0.05 1
        layer_1_no_decay 0.1 0.0 1

    References:
        Howard and Ruder, ULMFiT, 2018, arXiv:1801.06146 (discriminative LRs); Bao et al., BEiT, 2021, arXiv:2106.08254
        (layer-wise decay).
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {module!r}")
    if lr is not None:
        require(number("lr", lr) >= 0, "lr", "at least 0", lr)
    if layer_decay is not None:
        require(0 < number("layer_decay", layer_decay) <= 1, "layer_decay", "above 0 and at most 1", layer_decay)
    if weight_decay is not None:
        require(number("weight_decay", weight_decay) >= 0, "weight_decay", "at least 0", weight_decay)
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    require(bool(names), "module", "one with parameters that need a gradient", type(module).__name__)
    spared = _spared(module, no_decay, names)
    layer_of = _given_layers(layers, names) if layers is not None else _found_layers(module)
    last = max(layer_of[name] for name in names)
    groups: dict[str, dict[str, Any]] = {}
    for layer in range(last + 1) if layer_decay is not None else (last,):
        for decays in (True, False):
            mine = [n for n in names if (n not in spared) == decays and (layer_decay is None or layer_of[n] == layer)]
            label = f"layer_{layer}" + ("" if decays else "_no_decay")
            if layer_decay is None:
                label = "decay" if decays else "no_decay"
            scale = 1.0 if layer_decay is None else layer_decay ** (last - layer)
            if mine:
                groups[label] = _group(label, mine, module, scale, lr, weight_decay if decays else 0.0)
                if layer_decay is not None and lr is None:
                    groups[label]["lr_scale"] = scale
    return list(groups.values())


def _group(
    label: str, names: Sequence[str], module: nn.Module, scale: float, lr: float | None, weight_decay: float | None
) -> dict[str, Any]:
    group: dict[str, Any] = {"name": label, "params": [module.get_parameter(name) for name in names]}
    if lr is not None:
        group["lr"] = lr * scale
    if weight_decay is not None:
        group["weight_decay"] = weight_decay
    return group


def _spared(module: nn.Module, no_decay: bool | Sequence[str], names: Sequence[str]) -> set[str]:
    """Names of the parameters that have no weight decay."""
    if no_decay is False:
        return set()
    patterns = [] if no_decay is True else _patterns("no_decay", no_decay, names)
    own = getattr(module, "no_weight_decay", None)
    patterns += list(own()) if callable(own) else []
    small = {name for name in names if module.get_parameter(name).ndim <= 1}
    return small | {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}


def _patterns(argument: str, given: Any, names: Sequence[str]) -> list[str]:
    several = isinstance(given, Sequence) and not isinstance(given, str)
    if not several or not all(isinstance(each, str) for each in given):
        raise TypeError(f"{argument} must be a list of names or patterns such as 'blocks.0.*', got {given!r}")
    for pattern in given:
        found = any(fnmatchcase(name, pattern) for name in names)
        require(found, argument, f"patterns of parameter names, such as {names[0]!r}", pattern)
    return list(given)


def _given_layers(layers: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    patterns = _patterns("layers", layers, names)
    require(bool(patterns), "layers", "at least one pattern", layers)
    last = len(patterns) - 1
    return {name: next((n for n, each in enumerate(patterns) if fnmatchcase(name, each)), last) for name in names}


def _found_layers(module: nn.Module) -> dict[str, int]:
    """The layer of each parameter, from 0 at the input."""
    found: dict[str, int] = {}
    layer = -1
    for names in _blocks(module, ""):
        is_weight = any(module.get_parameter(name).ndim > 1 for name in names)
        layer += is_weight or layer < 0
        for name in names:
            found.setdefault(name, layer)
    return found


def _blocks(module: nn.Module, prefix: str) -> Iterator[list[str]]:
    """The names of the parameters of each block of a module, in the order in which it holds them."""
    own = [prefix + name for name, _ in module.named_parameters(recurse=False)]
    children = [(name, child) for name, child in module.named_children() if any(True for _ in child.parameters())]
    for name, child in children:
        inside = f"{prefix}{name}."
        blocks = [[inside + each for each, _ in child.named_parameters()]]
        if _holds_blocks(child) or (not _is_row(module, children) and _holds_a_row(child)):
            blocks = list(_blocks(child, inside))
        for block in blocks:
            yield own + block
            own = []
    if own:
        yield own


def _is_row(module: nn.Module, children: Sequence[tuple[str, nn.Module]]) -> bool:
    """Whether the children are layers of one kind, one after the other."""
    kinds = {type(child) for _, child in children}
    return isinstance(module, Containers) and len(kinds) == 1 and not kinds & {nn.Sequential, nn.ModuleList}


def _holds_a_row(module: nn.Module) -> bool:
    """Whether layers are to be looked for inside a module."""
    return any(isinstance(part, Containers) for part in module.modules())


def _holds_blocks(module: nn.Module) -> bool:
    """Whether a module holds a row of blocks that have layers themselves, as a stage of a network does."""
    for part in module.modules():
        children = list(part.named_children())
        if len(children) > 1 and _is_row(part, children) and any(True for _ in children[0][1].children()):
            return True
    return False
