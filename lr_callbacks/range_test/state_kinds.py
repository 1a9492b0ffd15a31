"""Objects whose state is not in attributes: how each kind is put back, and which cannot be."""

from __future__ import annotations

import array
import contextvars
import copy
import ctypes
import functools
import io
import mmap
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
"""Built-in iterators of which a copy continues where the original is, and which hold no other iterator."""
COPIED_TYPES = frozenset({("_hashlib", "HASH"), ("_hashlib", "HMAC"), ("zlib", "Compress"), ("zlib", "Decompress")})
"""Other objects whose state only a copy can save: digests and compressors."""
LARGEST_FILE = 2**26
"""Bytes of the largest writable memory-mapped file that is copied."""
_C_DATA = (ctypes._SimpleCData, ctypes.Array, ctypes.Structure, ctypes.Union)


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
    if isinstance(thing, mmap.mmap):
        return _mapped_file(thing)
    if isinstance(thing, torch.Generator):
        return [_setter(thing.set_state, thing.get_state())]
    if isinstance(thing, random.SystemRandom):
        return []
    if isinstance(thing, random.Random):
        return [_setter(thing.setstate, thing.getstate())]
    if isinstance(thing, torch.UntypedStorage | torch.TypedStorage):
        return [_setter(thing.copy_, thing.clone())]  # type: ignore[no-untyped-call]
    if isinstance(thing, _C_DATA):
        held, size = bytes(thing), ctypes.sizeof(thing)
        return [functools.partial(_move, thing, held, size)]
    if isinstance(thing, contextvars.ContextVar):
        try:
            return [_setter(thing.set, thing.get())]
        except LookupError:  # not set
            return []
    if isinstance(thing, functools._lru_cache_wrapper):
        return [lambda: _empty_again(thing)] if thing.cache_info().currsize == 0 else []
    np = sys.modules.get("numpy")
    return None if np is None else _undo_of_numpy(thing, np.random)


def _undo_of_numpy(thing: Any, random: Any) -> list[Undo] | None:
    """As `undo_of`, for the random generators of NumPy; those that they spawn come from a seed sequence."""
    if isinstance(thing, random.RandomState):
        return [_setter(thing.set_state, thing.get_state())]
    if isinstance(thing, random.SeedSequence):
        return [_setter(thing.__setstate__, thing.__reduce__()[2])]
    if isinstance(thing, random.Generator):
        thing = thing.bit_generator
    if isinstance(thing, random.BitGenerator):
        return [_attribute(thing, "state"), *(_undo_of_numpy(getattr(thing, "seed_seq", None), random) or [])]
    return None


def can_be_copied(thing: object) -> bool:
    """Whether the test can use a copy of a thing, so that the fit has the original untouched.

    Example:
        >>> can_be_copied(iter([1, 2])), can_be_copied(zip([1], [2]))
        (True, False)
    """
    module, name = type(thing).__module__, type(thing).__name__
    return (name in COPIED_ITERATORS and module in ("builtins", "itertools")) or (module, name) in COPIED_TYPES


def copy_of(thing: Any) -> object:
    """A copy of what `can_be_copied`, in the same state."""
    if (type(thing).__module__, type(thing).__name__) in COPIED_TYPES:
        return thing.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return copy.copy(thing)


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
        is_queue = hasattr(thing, "recv") or (hasattr(thing, "get") and hasattr(thing, "put"))
        return f"a queue or a pipe that processes share ({type(thing).__name__})" if is_queue else None
    return None


def _fill(thing: Any, saved: Any) -> Undo:
    def undo() -> None:
        if thing[:] != saved:
            thing[:] = saved

    return undo


def _empty_again(cache: Any) -> None:
    """Empty the cache of a function that was empty: what a step computed at a high LR must not be found in it."""
    if cache.cache_info().currsize:
        cache.cache_clear()


def _move(thing: Any, held: bytes, size: int) -> None:
    ctypes.memmove(ctypes.addressof(thing), held, size)


def _mapped_file(file: mmap.mmap) -> list[Undo]:
    undo: list[Undo] = [_setter(file.seek, file.tell())]
    if not memoryview(file).readonly:
        if len(file) > LARGEST_FILE:
            raise NotKeptError(f"a writable memory-mapped file of {len(file):,} bytes")
        undo.insert(0, _fill(file, file[:]))
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
    """The attributes that an object of a class keeps in slots, less those that a property hides (pathlib has some)."""
    found = [name for base in cls.__mro__ for name in _own_slots(base)]
    return [name for name in found if not isinstance(getattr(cls, name, None), property)]


def _own_slots(cls: type) -> list[str]:
    """The slots that a class itself adds."""
    slots = cls.__dict__.get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [
        f"_{cls.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
        for name in names
        if name not in ("__dict__", "__weakref__")
    ]


def are_same(some: Iterable[object], others: Iterable[object]) -> bool:
    """Whether both give the very same objects in the same order."""
    missing = object()
    first, second = iter(some), iter(others)
    while True:
        a, b = next(first, missing), next(second, missing)
        if a is not b:
            return False
        if a is missing:
            return True
