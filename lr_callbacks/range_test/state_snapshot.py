"""Remember what stands in objects, and put it back into the very same objects.

In place, because identity is state too: an optimizer holds the parameters, a list may be known under two names. Only
what has changed is touched.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

_ATOMS = frozenset(
    {int, float, complex, str, bytes, bool, type(None), type(...), torch.dtype, torch.device, torch.Size}
)
_CODE = (type, ModuleType, FunctionType, BuiltinFunctionType, CodeType, FrameType)
_NOT_ENTERED = (Callback, Trainer, Strategy, Logger, Profiler, Dataset, DataLoader)
_NOT_ENTERED_FROM = (
    *(
        "_io",
        "_thread",
        "asyncio",
        "concurrent",
        "io",
        "logging",
        "multiprocessing",
        "socket",
        "subprocess",
        "threading",
    ),
    *("torch._dynamo", "torch._inductor", "torch.distributed", "torch.fx", "torch.utils.data", "pandas", "weakref"),
    "lightning.pytorch.utilities.combined_loader",
)
MANY = 10_000
"""Containers longer than this are not searched when tensors are data: they hold samples, not state."""


class StateSnapshot:
    """The state of some objects and of all that hangs on them, at the moment of the call.

    Entered are tensors (values, ``grad``, ``requires_grad``), arrays, random generators, containers, and the attributes
    of any other object. Not entered are trainers, strategies, callbacks, loggers, data sets and loaders (as roots they
    are), threads, files and code; the references to them are remembered like all others.

    Args:
        roots: Where to start.
        leave: Objects that are not entered.
        device: Where the copies of tensors are kept; None for the device of each.
        tensors: Whether the values of tensors and arrays are remembered; False where they are data, not state.
    """

    def __init__(
        self,
        roots: Iterable[object],
        *,
        leave: Iterable[object] = (),
        device: torch.device | None = None,
        tensors: bool = True,
    ) -> None:
        self._device = device
        self._tensors = tensors
        self._undo: list[Callable[[], None]] = []
        self._seen: dict[int, object] = {id(thing): thing for thing in leave}
        self._todo: list[object] = []
        for root in roots:
            if id(root) not in self._seen:
                self._seen[id(root)] = root
                self._enter(root)
        while self._todo:
            self._visit(self._todo.pop())

    def restore(self) -> None:
        """Put everything back; may be called more than once."""
        with torch.no_grad():
            for undo in reversed(self._undo):
                undo()

    def keep_attributes(self, thing: object) -> None:
        """Remember which objects the attributes of `thing` are, but nothing of those objects."""
        self._keep_dict(vars(thing))

    # ------------------------------------------------------------------ one object
    def _visit(self, thing: object) -> None:
        if type(thing) in _ATOMS or id(thing) in self._seen:
            return
        self._seen[id(thing)] = thing
        if isinstance(thing, MethodType):
            self._todo.append(thing.__self__)
        elif not isinstance(thing, (*_CODE, *_NOT_ENTERED)):
            module = type(thing).__module__
            if not any(module == name or module.startswith(name + ".") for name in _NOT_ENTERED_FROM):
                self._enter(thing)

    def _enter(self, thing: Any) -> None:
        if isinstance(thing, Tensor):
            self._keep_tensor(thing)
        elif isinstance(thing, dict):
            self._keep_dict(thing)
            self._follow(thing.values(), len(thing))
        elif isinstance(thing, list | deque):
            self._keep_sequence(thing)
            self._follow(thing, len(thing))
        elif isinstance(thing, tuple | frozenset):
            self._follow(thing, len(thing))
        elif isinstance(thing, set):
            self._keep_set(thing)
        elif not self._keep_generator(thing):
            self._keep_slots(thing)
        attributes = getattr(thing, "__dict__", None)
        if isinstance(attributes, dict):
            self._seen.setdefault(id(attributes), attributes)
            self._keep_dict(attributes)
            self._todo.extend(attributes.values())

    def _follow(self, things: Iterable[object], number: int) -> None:
        if self._tensors or number <= MANY:
            self._todo.extend(things)

    # ------------------------------------------------------------------ kinds of state
    def _keep_tensor(self, tensor: Tensor) -> None:
        if tensor.is_leaf:
            grad, requires_grad = tensor.grad, tensor.requires_grad
            self._todo.append(grad)

            def give_back() -> None:
                tensor.grad = grad
                if tensor.requires_grad != requires_grad:
                    tensor.requires_grad_(requires_grad)

            self._undo.append(give_back)
        if self._tensors and not tensor.is_meta:
            saved = tensor.detach().clone() if self._device is None else tensor.detach().to(self._device, copy=True)

            def write() -> None:
                if tensor.shape == saved.shape:
                    tensor.detach().copy_(saved)
                else:
                    tensor.data = saved.to(tensor.device, copy=True)

            self._undo.append(write)

    def _keep_dict(self, thing: dict[Any, Any]) -> None:
        saved = dict(thing)

        def write() -> None:
            if not _same(thing, saved) or not _same(thing.values(), saved.values()):
                thing.clear()
                thing.update(saved)

        self._undo.append(write)

    def _keep_sequence(self, thing: list[Any] | deque[Any]) -> None:
        saved = list(thing)

        def write() -> None:
            if not _same(thing, saved):
                thing.clear()
                thing.extend(saved)

        self._undo.append(write)

    def _keep_set(self, thing: set[Any]) -> None:
        saved = set(thing)

        def write() -> None:
            if thing != saved:
                thing.clear()
                thing.update(saved)

        self._undo.append(write)

    def _keep_slots(self, thing: object) -> None:
        slots = [slot for cls in type(thing).__mro__ for slot in _slots_of(cls)]
        saved = {slot: getattr(thing, slot) for slot in slots if hasattr(thing, slot)}
        if saved:
            self._todo.extend(saved.values())

            def write() -> None:
                for slot, value in saved.items():
                    if getattr(thing, slot, None) is not value:
                        object.__setattr__(thing, slot, value)

            self._undo.append(write)

    def _keep_generator(self, thing: Any) -> bool:
        """Whether it is a random generator or an array, and kept."""
        if isinstance(thing, torch.Generator):
            state = thing.get_state()
            self._undo.append(lambda: _put_state(thing, state))
            return True
        if isinstance(thing, random.Random):
            python_state = thing.getstate()
            self._undo.append(lambda: thing.setstate(python_state))
            return True
        np = sys.modules.get("numpy")
        if np is None:
            return False
        if isinstance(thing, np.random.Generator):
            bits = thing.bit_generator
            bit_state = bits.state
            self._undo.append(lambda: setattr(bits, "state", bit_state))
            return True
        if isinstance(thing, np.random.RandomState):
            numpy_state = thing.get_state()
            self._undo.append(lambda: thing.set_state(numpy_state))
            return True
        if isinstance(thing, np.ndarray):
            if self._tensors and thing.flags.writeable:
                copy = thing.copy()
                self._undo.append(lambda: np.copyto(thing, copy))
            return True
        return False


def _put_state(generator: torch.Generator, state: Tensor) -> None:
    generator.set_state(state)


def _same(some: Iterable[object], others: Iterable[object]) -> bool:
    """Whether both give the very same objects in the same order."""
    missing = object()
    first, second = iter(some), iter(others)
    while True:
        a, b = next(first, missing), next(second, missing)
        if a is not b:
            return False
        if a is missing:
            return True


def _slots_of(cls: type) -> list[str]:
    slots = cls.__dict__.get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [
        f"_{cls.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
        for name in names
        if name not in ("__dict__", "__weakref__")
    ]
