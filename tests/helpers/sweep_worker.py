"""A worker of a sweep, to be a process of its own."""

import contextlib
import io
import json
import os
import time
import warnings
from pathlib import Path

from lightning.pytorch import Callback
from support import Net, loader, sgd, trainer

from lr_callbacks import grid_search
from lr_callbacks.sweep import storage as storage_module
from lr_callbacks.sweep import work as work_module


class SlowAndTold(Callback):
    """Write down when each training begins and ends, and take some time in between (below 0: until `go` exists)."""

    def __init__(self, folder, lr, seconds):
        self.file, self.lr, self.seconds = Path(folder, "log.txt"), lr, seconds

    def tell(self, what):
        with self.file.open("a") as log:
            log.write(json.dumps([what, self.lr, os.getpid()]) + "\n")

    def on_train_start(self, *args):
        self.tell("begin")
        if self.seconds >= 0:
            time.sleep(self.seconds)
        deadline = time.monotonic() + 200
        while self.seconds < 0 and not self.file.with_name("go").exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    def on_train_end(self, *args):
        self.tell("end")


def lrs(points):
    return [0.002 * (index + 1) for index in range(points)]


def search(folder, points, seconds=0, storage=None, **options):
    """Search; the trial of a worker that dies is repeated after five seconds."""
    storage_module.HEARTBEAT_SECONDS, storage_module.GRACE_SECONDS, work_module.GRACE_SECONDS = 1, 5, 5

    def build(lr):
        return trainer(SlowAndTold(folder, lr, float(seconds)), max_epochs=1), Net(sgd([lr])), loader(3), loader(2)

    options = {"folder": Path(folder, "sweep"), "storage": storage, **options}
    table = grid_search(build, {"lr": lrs(int(points))}, **options)
    return [[row.point["lr"], row.mean, len(row.values)] for row in table.rows]


def work(folder, points, seconds, storage=None, options=None):
    """Search, and leave in the folder what came of it and what was said."""
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()):
        try:
            came = {"ranking": search(folder, points, seconds, storage, **(options or {}))}
        except Exception as error:
            came = {"error": f"{type(error).__name__}: {error}, {error.__cause__!r}"}
    Path(folder, f"{os.getpid()}.json").write_text(json.dumps({**came, "said": said.getvalue()}))
