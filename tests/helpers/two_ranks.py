"""A job in two processes that are the two ranks of one training, and what each rank left as JSON."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch
from processes import start

SECONDS = 240
"""As long as two ranks may take; each writes down where it stands a little earlier."""


def free_port() -> int:
    """A port below those that a system gives to outgoing connections, so that none takes it before rank zero does."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def rank(number: int, port: int, folder: str, job: Callable[..., dict[str, Any]], args: tuple[Any, ...]) -> None:
    """One of two processes: what its job gives is left as JSON, what it prints in a text file."""
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "NODE_RANK": "0", "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    log = os.open(f"{folder}/log{number}.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    faulthandler.dump_traceback_later(SECONDS - 10)
    torch.set_num_threads(1)
    left = job(Path(folder), *args)
    Path(folder, f"rank{number}.json").write_text(json.dumps(left))
    torch.distributed.destroy_process_group()  # or gloo's threads may abort the process as it ends


def run_two_ranks(folder: Path, job: Callable[..., dict[str, Any]], *args: Any) -> list[int | None]:
    """Run `job`, a function of an importable module, on two ranks; their exit codes. Neither outlives this call."""
    port = free_port()
    processes = [start(rank, number, port, str(folder), job, args) for number in (0, 1)]
    waited = time.monotonic()
    while any(process.is_alive() for process in processes) and time.monotonic() - waited < SECONDS:
        wait([process.sentinel for process in processes if process.is_alive()], timeout=10)
        if any(process.exitcode for process in processes):
            break  # the other one would wait for it for ever
    for process in processes:
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def on_two_ranks(folder: Path, job: Callable[..., dict[str, Any]], *args: Any) -> list[dict[str, Any]]:
    """Run `job` on two ranks; what each of them gives."""
    codes = run_two_ranks(folder, job, *args)
    for number, code in sorted(enumerate(codes), key=lambda each: each[1] or 0, reverse=True):
        assert code == 0, Path(folder, f"log{number}.txt").read_text()[-3000:]
    return [json.loads(Path(folder, f"rank{number}.json").read_text()) for number in (0, 1)]
