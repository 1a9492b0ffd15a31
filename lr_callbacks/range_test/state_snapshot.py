"""Remember what stands in objects, and put it back into the very same objects.

In place, because identity is state too: an optimizer holds the parameters, a list may be known under two names. Only
what has changed is touched.
"""

from __future__ import annotations

import functools
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lr_callbacks.core.lightning_names import Callback, Logger, Profiler, Strategy, Trainer, is_a
from lr_callbacks.range_test.stand_ins import StandIns
from lr_callbacks.range_test.state_kinds import are_same, can_be_copied, is_from, slots_of, undo_of, why_not_kept
from lr_callbacks.range_test.tensor_copies import NotKeptError, keep_array, keep_tensor

_ATOMS = frozenset({int, float, complex, str, bytes, bool, type(None), torch.dtype, torch.device, torch.Size})
_CODE = (types.ModuleType, types.CodeType, types.FrameType)
_NOT_ENTERED = (Callback, Trainer, Strategy, Logger, Profiler, Dataset, DataLoader, weakref.finalize)
_FRAMEWORKS = (
    *("torch", "lightning", "lightning_utilities", "lightning_fabric", "pytorch_lightning", "torchmetrics"),
    *("builtins", "lr_callbacks"),
)
_NOT_ENTERED_FROM = (
    *("_thread", "asyncio", "concurrent", "logging", "multiprocessing", "socket", "subprocess", "threading"),
    *("torch._dynamo", "torch._inductor", "torch.distributed", "torch.fx", "torch.utils.data", "pandas"),
    *("lightning.pytorch.utilities.combined_loader", "pytorch_lightning.utilities.combined_loader"),
)
MANY = 10_000
"""Containers longer than this are not searched when tensors are data: they hold samples, not state."""
Path = tuple["Path | None", str]


class StateSnapshot:
    """The state of some objects and of all that hangs on them, at the moment of the call.

    Entered are tensors (values, ``requires_grad``, and which tensor ``grad`` is), arrays, random generators,
    containers, files that are read, closures, the attributes of classes that are the user's, and those of any other
    object. Not entered are trainers, strategies, callbacks, loggers, data sets and loaders (as roots they are), threads
    and code; the references to them are remembered like all others.

    Args:
        roots: Where to start, by name.
        leave: Objects that are not entered.
        device: Where the copies of tensors are kept; None for the device of each.
        largest: Most elements that a tensor or an array may have to be copied, where they are data rather than state;
            None for all.
        refuses: Whether what would be used up for good is rejected; False where no step touches it.
        known: A snapshot whose copies of tensors are shared where the values are still the same.

    Raises:
        NotKeptError: Naming what cannot be given back, if `refuses`.
    """

    def __init__(
        self,
        roots: Mapping[str, object],
        *,
        leave: Iterable[object] = (),
        device: torch.device | None = None,
        largest: int | None = None,
        refuses: bool = False,
        known: StateSnapshot | None = None,
    ) -> None:
        self._device, self._largest, self._refuses, self._known = device, largest, refuses, known
        self._undo: list[tuple[Path, Callable[[], None]]] = []
        self._copies: dict[int, Tensor] = {}
        self._stand_ins = StandIns()
        self.stand_in = self._stand_ins.put
        self.seen: dict[int, object] = {id(thing): thing for thing in leave}
        self._todo: list[tuple[object, Path]] = []
        for name, root in roots.items():
            if id(root) not in self.seen:
                self.seen[id(root)] = root
                self._enter(root, (None, name))
        while self._todo:
            self._visit(*self._todo.pop())

    def restore(self) -> list[str]:
        """Put everything back, each by itself; may be called more than once.

        Returns:
            What could not be put back, by name, and why.
        """
        with torch.no_grad():
            tried = [(path, _error_of(undo)) for path, undo in reversed(self._undo)]
        return [f"{_shown(path)} ({type(error).__name__}: {error})" for path, error in tried if error is not None]

    def keep_attributes(self, thing: object) -> None:
        """Remember which objects the attributes of `thing` are, but nothing of those objects."""
        self._keep_dict(vars(thing), (None, type(thing).__name__))

    # ------------------------------------------------------------------ one object
    def _visit(self, thing: object, path: Path) -> None:
        if type(thing) in _ATOMS or id(thing) in self.seen:
            return
        if isinstance(thing, type):
            self._keep_class(thing, path)
            return
        self.seen[id(thing)] = thing
        if isinstance(thing, types.MethodType):
            self._todo += [(thing.__self__, path), (thing.__func__, path)]
            return
        if isinstance(thing, types.BuiltinFunctionType | types.MethodWrapperType):  # a method of a list or an iterator
            self._todo.append((thing.__self__, path))
            return
        if is_from(type(thing), ("multiprocessing.sharedctypes",)):
            self._todo.append((thing.get_obj(), path))  # type: ignore[attr-defined]
            return
        if isinstance(thing, _CODE) or is_a(thing, *_NOT_ENTERED):
            return
        entered = not is_from(type(thing), _NOT_ENTERED_FROM) or isinstance(thing, threading.local)
        if self._refuses:
            reason = why_not_kept(thing, entered=entered)
            if reason is not None:
                raise NotKeptError(f"{_shown(path)}, {reason}")
        if entered:
            self._enter(thing, path)

    def _enter(self, thing: Any, path: Path) -> None:
        if isinstance(thing, Tensor):
            self._keep_tensor(thing, path)
        elif isinstance(thing, dict):
            self._keep_dict(thing, path)
            self._follow(thing, thing.items(), path, "[{!r}]")
        elif isinstance(thing, list | deque):
            self._keep_sequence(thing, path)
            self._follow(thing, enumerate(thing), path, "[{}]")
        elif isinstance(thing, tuple | frozenset):
            self._follow(thing, enumerate(thing), path, "[{}]")
        elif isinstance(thing, set):
            self._keep_set(thing, path)
        elif isinstance(thing, types.FunctionType):
            self._keep_function(thing, path)
        elif isinstance(thing, functools.partial):
            self._todo += [(thing.func, path), (thing.args, path), (thing.keywords, path)]
        elif isinstance(thing, types.MappingProxyType):
            self._follow((), thing.items(), path, "[{!r}]")
        elif isinstance(thing, weakref.ref):
            self._todo.append((thing(), path))
        elif isinstance(thing, memoryview):
            self._todo.append((thing.obj, path))
        elif not self._keep_by_kind(thing, path):
            self._keep_slots(thing, path)
        attributes = getattr(thing, "__dict__", None)
        if isinstance(attributes, dict):
            self.seen.setdefault(id(attributes), attributes)
            self._keep_dict(attributes, path)
            self._follow(attributes, attributes.items(), path, ".{}")
        self._keep_class(type(thing), path)

    def _follow(self, holder: Any, items: Iterable[tuple[Any, object]], path: Path, form: str) -> None:
        if self._largest is not None and len(holder) > MANY:
            return
        for key, thing in items:
            if type(thing) in _ATOMS:
                continue
            if can_be_copied(thing) and isinstance(holder, dict | list):
                self._stand_ins.add(thing, functools.partial(holder.__setitem__, key))
            else:
                self._todo.append((thing, (path, form.format(key))))

    # ------------------------------------------------------------------ kinds of state
    def _keep_tensor(self, tensor: Tensor, path: Path) -> None:
        if tensor.is_leaf:
            grad, requires_grad = tensor.grad, tensor.requires_grad

            def give_back() -> None:
                tensor.grad = grad
                if tensor.requires_grad != requires_grad:
                    tensor.requires_grad_(requires_grad)

            self._undo.append((path, give_back))
        if tensor.is_meta or (self._largest is not None and tensor.numel() > self._largest):
            return
        known = None if self._known is None else self._known._copies.get(id(tensor))
        try:
            saved, write = keep_tensor(tensor, self._device, known)
        except NotKeptError as error:
            if self._refuses:
                raise NotKeptError(f"{_shown(path)}, a {type(tensor).__name__}: {error}") from error
            return
        self._copies[id(tensor)] = saved
        self._undo.append((path, write))

    def _keep_by_kind(self, thing: Any, path: Path) -> bool:
        np = sys.modules.get("numpy")
        if np is not None and isinstance(thing, np.ndarray):
            if thing.flags.writeable and (self._largest is None or thing.size <= self._largest):
                self._undo.append((path, keep_array(thing)))
            if thing.dtype == object:
                self._follow(thing.reshape(-1), enumerate(thing.reshape(-1)), path, "[{}]")
            return True
        try:
            undo = undo_of(thing)
        except NotKeptError as error:
            if self._refuses:
                raise NotKeptError(f"{_shown(path)}, {error}") from error
            return True
        self._undo += [(path, each) for each in undo or ()]
        return undo is not None

    def _keep_dict(self, thing: dict[Any, Any], path: Path) -> None:
        saved = dict(thing)

        def write() -> None:
            if not are_same(thing, saved) or not are_same(thing.values(), saved.values()):
                thing.clear()
                thing.update(saved)

        self._undo.append((path, write))

    def _keep_sequence(self, thing: list[Any] | deque[Any], path: Path) -> None:
        saved = list(thing)

        def write() -> None:
            if not are_same(thing, saved):
                thing.clear()
                thing.extend(saved)

        self._undo.append((path, write))

    def _keep_set(self, thing: set[Any], path: Path) -> None:
        saved = set(thing)

        def write() -> None:
            if thing != saved:
                thing.clear()
                thing.update(saved)

        self._undo.append((path, write))

    def _keep_function(self, function: types.FunctionType, path: Path) -> None:
        """What a function remembers from call to call: its closure, and default values that can be changed."""
        if not is_from(function, _FRAMEWORKS):
            names = function.__code__.co_freevars
            for name, cell in zip(names, function.__closure__ or (), strict=False):
                self._keep_attribute(cell, "cell_contents", path, f" (closure: {name})")
            self._follow((), enumerate(function.__defaults__ or ()), path, " (default {})")
            self._follow((), (function.__kwdefaults__ or {}).items(), path, " (default {})")

    def _keep_class(self, cls: type, path: Path) -> None:
        """The attributes of a class and its bases that are the user's; not its methods."""
        for base in cls.__mro__:
            if id(base) in self.seen or is_from(base, _FRAMEWORKS):
                continue
            self.seen[id(base)] = base
            for name, value in vars(base).items():
                shown = f" (class attribute {name})"
                if isinstance(value, types.FunctionType | functools._lru_cache_wrapper):
                    self._todo.append((value, (path, shown)))
                elif not name.startswith("__") and not name.startswith("_abc_") and not hasattr(value, "__get__"):
                    self._keep_attribute(base, name, path, shown)

    def _keep_slots(self, thing: object, path: Path) -> None:
        for slot in slots_of(type(thing)):
            self._keep_attribute(thing, slot, path, f".{slot}")

    def _keep_attribute(self, thing: object, name: str, path: Path, shown: str) -> None:
        missing = object()
        try:
            value = getattr(thing, name)
        except (AttributeError, ValueError):  # an empty cell
            return

        def put(value: object) -> None:
            (type if isinstance(thing, type) else object).__setattr__(thing, name, value)

        def write() -> None:
            if getattr(thing, name, missing) is not value:
                put(value)

        self._undo.append((path, write))
        if can_be_copied(value):
            self._stand_ins.add(value, put)
        else:
            self._todo.append((value, (path, shown)))


def _error_of(undo: Callable[[], None]) -> Exception | None:
    try:
        undo()
    except Exception as error:
        return error
    return None


def _shown(path: Path | None) -> str:
    """A place, as a reader of the code knows it."""
    return "" if path is None else _shown(path[0]) + path[1]
