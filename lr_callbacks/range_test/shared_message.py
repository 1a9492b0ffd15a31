"""How a result reaches the caller where the fit runs in processes of its own (``ddp_spawn``, ``ddp_fork``)."""

from __future__ import annotations

import json
from typing import Any

import torch

HEADER = 8


class SharedMessage:
    """A piece of shared memory for one message: a child process writes it, its parent reads it.

    Args:
        size: Longest message, in bytes.

    Example:
        >>> box = SharedMessage(100)
        >>> box.read()
        >>> box.write({"suggestion": 0.1})
        >>> box.read()
        {'suggestion': 0.1}
    """

    def __init__(self, size: int) -> None:
        self._memory = torch.zeros(HEADER + size, dtype=torch.uint8).share_memory_()  # type: ignore[no-untyped-call]

    def write(self, message: dict[str, Any]) -> None:
        """Leave a message; one that is too long is not left."""
        data = json.dumps(message).encode()
        if HEADER + len(data) <= len(self._memory):
            self._memory[HEADER : HEADER + len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            length = bytearray(len(data).to_bytes(HEADER, "big"))
            self._memory[:HEADER] = torch.frombuffer(length, dtype=torch.uint8)

    def read(self) -> dict[str, Any] | None:
        """The message, None if there is none."""
        length = int.from_bytes(bytes(self._memory[:HEADER].tolist()), "big")
        return json.loads(bytes(self._memory[HEADER : HEADER + length].tolist())) if length else None
