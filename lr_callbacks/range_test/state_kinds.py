"""Objects whose state is not in attributes: how each kind is put back, and which cannot be."""

from __future__ import annotations

import array
import copy
import io
import queue
import random
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType
from typing import Any

import torch

from lr_callbacks.range_test.tensor_copies import NotKeptError

Undo = Callable[[], None]
COPIED_ITERATORS = frozenset(
    {"list_iterator", "tuple_iterator", "range_iterator", "str_iterator", "bytes_iterator"}
    | {"list_reverseiterator", "count", "repeat", "dict_keyiterator", "dict_valueiterator", "dict_itemiterator"}
)
"""Built-in iterators of which a copy goes on where the original stands, and which hold no other iterator."""


def undo_of(thing: Any) -> list[Undo] | None:
    """What puts the state of a thing back that has no attributes; None if it is of no kind known here.

    Raises:
        NotKeptError: If its state cannot be put back.

    Example:
        >>> data = bytearray(b"abc")
        >>> [undo] = undo_of(data)
        >>> data.clear()
        >>> undo()
        >>> data
        bytearray(b'abc')
    """
    if isinstance(thing, bytearray | array.array):
        return [_fill(thing, copy.copy(thing))]
    if isinstance(thing, io.IOBase):
        return _file(thing)
    if isinstance(thing, torch.Generator):
        return [_setter(thing.set_state, thing.get_state())]
    if isinstance(thing, random.Random):
        return [_setter(thing.setstate, thing.getstate())]
    np = sys.modules.get("numpy")
    if np is not None:
        if isinstance(thing, np.random.Generator):
            return [_attribute(thing.bit_generator, "state")]
        if isinstance(thing, np.random.BitGenerator):
            return [_attribute(thing, "state")]
        if isinstance(thing, np.random.RandomState):
            return [_setter(thing.set_state, thing.get_state())]
    return None


def can_be_copied(thing: object) -> bool:
    """Whether a thing is an iterator that a copy can stand in for.

    Example:
        >>> can_be_copied(iter([1, 2])), can_be_copied(zip([1], [2]))
        (True, False)
    """
    return type(thing).__name__ in COPIED_ITERATORS and type(thing).__module__ in ("builtins", "itertools")


def copy_of(iterator: object) -> object:
    """A copy of an iterator that goes on where the original stands."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return copy.copy(iterator)


def why_not_kept(thing: object, *, entered: bool) -> str | None:
    """Why a thing would be used up for good; None if it would not be.

    Args:
        thing: Any object but an iterator that can be copied.
        entered: Whether its attributes are looked at: an iterator written in Python keeps its place there.

    Example:
        >>> why_not_kept((x for x in "ab"), entered=True)
        'a running generator'
        >>> why_not_kept([1, 2], entered=True)
    """
    if isinstance(thing, GeneratorType | CoroutineType | AsyncGeneratorType):
        frame = getattr(thing, "gi_frame", getattr(thing, "cr_frame", getattr(thing, "ag_frame", None)))
        return None if frame is None else f"a running {type(thing).__name__}"
    if isinstance(thing, Iterator) and not isinstance(thing, io.IOBase):
        in_python = isinstance(getattr(type(thing), "__next__", None), FunctionType)
        return None if in_python and entered else f"a running iterator ({type(thing).__name__})"
    if isinstance(thing, queue.SimpleQueue):
        return "a queue"
    if type(thing).__module__.partition(".")[0] == "multiprocessing":
        shared = any(hasattr(thing, name) for name in ("get_obj", "get", "recv"))
        return f"memory or a queue that processes share ({type(thing).__name__})" if shared else None
    return None


def _fill(thing: Any, saved: Any) -> Undo:
    def undo() -> None:
        if thing != saved:
            thing[:] = saved

    return undo


def _setter(setter: Callable[[Any], Any], state: Any) -> Undo:
    def undo() -> None:
        setter(state)

    return undo


def _attribute(thing: object, name: str) -> Undo:
    state = getattr(thing, name)
    return lambda: setattr(thing, name, state)


def _file(file: Any) -> list[Undo]:
    """A file is read on from where it stood; one that is only written to stays as it is."""
    if file.closed:
        return []
    if isinstance(file, io.BytesIO | io.StringIO):
        held: Any = file.getvalue()
        place = file.tell()

        def refill() -> None:
            file.seek(0)
            file.truncate()
            file.write(held)
            file.seek(place)

        return [refill]
    if not file.readable() or file is sys.stdin or "+" in str(getattr(file, "mode", "r")):
        return []
    try:
        place = file.tell()
    except OSError as error:
        raise NotKeptError(f"a file whose place cannot be told ({error})") from error
    return [_setter(file.seek, place)]


def is_from(thing: Any, modules: Iterable[str]) -> bool:
    """Whether a class or function comes from one of some packages or modules."""
    module = getattr(thing, "__module__", None) or ""
    return any(module == name or module.startswith(name + ".") for name in modules)


def slots_of(cls: type) -> list[str]:
    """The attributes that a class itself keeps in slots."""
    slots = cls.__dict__.get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [
        f"_{cls.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
        for name in names
        if name not in ("__dict__", "__weakref__")
    ]
