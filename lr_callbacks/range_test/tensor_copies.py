"""Copies of tensors and arrays, and how each kind is written back in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

LARGEST_IN_DATA = 1000
"""Elements of the largest tensor that is state in a data set or a data module; larger ones are data."""
PLAIN = (Tensor, torch.nn.Parameter)  # a Buffer is a Tensor, too


class NotKeptError(Exception):
    """What cannot be given back; the message says why."""


def keep_tensor(tensor: Tensor, device: torch.device | None, known: Tensor | None) -> tuple[Tensor, Callable[[], None]]:
    """Copy a tensor; afterwards the returned function writes the copy into the very same tensor.

    Args:
        tensor: A tensor that has values (not on the meta device).
        device: Where the copy is kept; None for the tensor's own.
        known: A copy that may be of these values already, to be shared then.

    Returns:
        The copy, and what writes it back.

    Raises:
        NotKeptError: If it cannot be written to.
    """
    if tensor.is_nested:
        return _keep_parts(tensor)
    if tensor.layout is torch.strided and type(tensor) in PLAIN:
        if overlaps(tensor):
            return _keep_storage(tensor)
        if known is not None and _equal(tensor, known):
            return known, _writer(tensor, known)
        saved = tensor.detach().clone() if device is None else tensor.detach().to(device, copy=True)
        return saved, _writer(tensor, saved)
    try:
        saved = tensor.detach().clone()
        with torch.no_grad():
            tensor.copy_(saved)  # tried while nothing has changed
    except Exception as error:
        raise NotKeptError(f"it cannot be written to: {error}") from error
    return saved, _writer(tensor, saved)


def _writer(tensor: Tensor, saved: Tensor) -> Callable[[], None]:
    """What writes a copy back, also where the module has resized the tensor, moved it or given it other memory."""
    device, stride = tensor.device, tensor.stride() if tensor.layout is torch.strided else None

    def write() -> None:
        same = (tensor.shape, tensor.dtype, tensor.device) == (saved.shape, saved.dtype, device)
        try:
            if same and (stride is None or tensor.stride() == stride):
                with torch.inference_mode(tensor.is_inference()):
                    (tensor if stride is None else tensor.detach()).copy_(saved)
                return
        except RuntimeError:  # memory that is gone, or is now shared between elements
            pass
        tensor.data = saved.to(device, copy=True)

    return write


def _keep_storage(tensor: Tensor) -> tuple[Tensor, Callable[[], None]]:
    """Of a tensor whose elements share memory (``expand``), the memory is kept."""
    storage, shape, stride, offset = tensor.untyped_storage(), tensor.shape, tensor.stride(), tensor.storage_offset()
    saved = storage.clone()  # type: ignore[no-untyped-call]

    def write() -> None:
        if storage.nbytes() != saved.nbytes():
            storage.resize_(saved.nbytes())
        storage.copy_(saved)
        if (tensor.shape, tensor.stride(), tensor.data_ptr()) != (shape, stride, storage.data_ptr() + skipped):
            tensor.data = torch.empty(0, dtype=dtype, device=device).set_(storage, offset, shape, stride)

    dtype, device = tensor.dtype, tensor.device
    skipped = offset * tensor.element_size()
    return tensor.detach(), write


def _keep_parts(tensor: Tensor) -> tuple[Tensor, Callable[[], None]]:
    """Of a nested tensor, each of its parts is kept."""
    saved = [part.detach().clone() for part in tensor.detach().unbind()]

    def write() -> None:
        for part, copy in zip(tensor.detach().unbind(), saved, strict=True):
            part.copy_(copy)

    return tensor.detach(), write


def overlaps(tensor: Tensor) -> bool:
    """Whether elements of a strided tensor may share memory.

    Example:
        >>> overlaps(torch.zeros(2, 3)), overlaps(torch.zeros(2, 3).T), overlaps(torch.zeros(1, 3).expand(2, 3))
        (False, False, True)
    """
    reach = 1
    if tensor.is_contiguous():
        return False
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if stride < reach:
                return True
            reach += stride * (size - 1)
    return False


def _equal(tensor: Tensor, copy: Tensor) -> bool:
    if (tensor.shape, tensor.dtype) != (copy.shape, copy.dtype):
        return False
    return bool(torch.equal(tensor.detach().to(copy.device), copy))


def keep_array(array: Any) -> Callable[[], None]:
    """Copy a NumPy array that can be written to."""
    saved = array.copy()

    def write() -> None:
        if array.shape != saved.shape:
            array.resize(saved.shape, refcheck=False)
        array[...] = saved

    return write
