"""A training that is killed again and again, at any moment, is in the end the training that nobody disturbed."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from crash_child import live
from crash_jobs import JOBS, Job
from processes import start
from trace_support import plain

KILLS = int(os.environ.get("LR_CALLBACKS_KILLS", 500))
SEED = int(os.environ.get("LR_CALLBACKS_SEED", random.SystemRandom().randrange(10**6)))
PATIENCE = 120  # seconds that a life may last, on the slowest machine


class Campaign:
    """One training, undisturbed first, then killed as often as asked, in as many runs as that takes."""

    def __init__(self, job: Job, folder: Path, seed: int) -> None:
        self.job, self.folder, self.seed = job, folder, seed
        self.dice = random.Random(f"{seed} {job.name}")
        self.killed: Counter[str] = Counter()
        self.here, self.expected = folder / "undisturbed", {}
        began = time.monotonic()
        self.live()
        self.seconds = time.monotonic() - began
        self.points: dict[str, int] = json.loads((self.here / "counts.json").read_text())
        self.end = self.what_is_left()

    def run(self, kills: int) -> None:
        """Kill, resume, and start a new run when one has ended, until the number of kills is reached."""
        while self.killed.total() < kills:
            self.here, finished = self.folder / f"run {self.killed.total()}", False
            while not finished and self.killed.total() < kills:
                finished = self.live_until_somewhere()
            if not finished:
                self.live()
            for name, left in self.what_is_left().items():
                assert left == self.end[name], self.say(f"{name}: not as in the undisturbed run")

    def live_until_somewhere(self) -> bool:
        if self.dice.random() < 0.4:
            point, nth, seconds = "any moment", 0, self.dice.uniform(0.05, self.seconds)
        else:
            point, seconds = self.dice.choice(sorted(self.points)), PATIENCE
            nth = self.dice.randint(1, max(1, self.points[point] // 2))
        finished = self.live(point, nth, seconds)
        self.killed[point] += not finished
        return finished

    def live(self, point: str | None = None, nth: int = 0, seconds: float = PATIENCE) -> bool:
        """One life, and the check of its trace; whether it has come to the end of the training."""
        self.here.mkdir(parents=True, exist_ok=True)
        last = self.last_checkpoint()
        seen = len(self.trace())
        process = start(live, self.job, str(self.here), point, nth)
        process.join(seconds)
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), self.say((self.here / "log.txt").read_text()[-3000:])
        assert process.exitcode == 0 or point is not None, self.say(f"not at its end after {PATIENCE} s")
        self.check(self.trace()[seen:], last)
        return process.exitcode == 0

    def last_checkpoint(self) -> list[int] | None:
        """The steps in the checkpoint that Lightning calls the last one; all of them can be read."""
        files = sorted((self.here / "checkpoints").glob("*.ckpt"), key=os.path.getmtime)
        counts = [(file.name, torch.load(file, weights_only=True)["callbacks"]["Trace"]["steps"]) for file in files]
        return next((steps for name, steps in reversed(counts) if name.startswith("last")), None)

    def trace(self) -> list[Any]:
        file = self.here / "trace.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def check(self, trace: list[Any], last: list[int] | None) -> None:
        """A life begins where the last checkpoint stands, and uses the LRs of the undisturbed run, step by step."""
        if not trace:
            return  # it was killed before its training began
        (_, counts), *steps = trace
        assert last is None or counts == last, self.say(f"resumed at {counts}, the last checkpoint is of {last}")
        for _, optimizer, number, lrs, momenta in steps:
            assert number == counts[optimizer], self.say("a step was left out")
            counts[optimizer] += 1
            if self.here.name == "undisturbed":
                self.expected[optimizer, number] = lrs, momenta
            expected = self.expected[optimizer, number]
            assert (lrs, momenta) == expected, self.say(f"step {number}: {lrs, momenta} instead of {expected}")

    def what_is_left(self) -> dict[str, Any]:
        """Everything that the end of a run leaves, in a form that is equal if and only if the bits are."""
        end = torch.load(self.here / "end.pt", weights_only=True)
        if not self.job.weights:
            end = {"learnt": end["learnt"]}
        files = sorted((self.here / "snapshots").glob("*.ckpt"))
        end["snapshots"] = {file.name: torch.load(file, weights_only=True)["state_dict"] for file in files}
        return {name: plain(left) for name, left in end.items()}

    def say(self, what: str) -> str:
        killed = dict(self.killed)
        return f"{what}\n(job {self.job.name!r}, LR_CALLBACKS_SEED={self.seed}, {self.here}, killed at {killed})"


QUICK = [
    "plateau, min, rel",
    "plateau, max, abs",
    "plateau, every 4 steps",
    "plateau, twice, in half epochs",
    "torch CyclicLR",
    "torch SequentialLR by epoch",
    "torch ReduceLROnPlateau, min",
    "three torch schedulers and a plateau",
    "snapshots",
    "range test",
    "wall clock",
    "warm-up, SGDR, two plateaus",
    "epochs that grow",
    "two optimizers",
    "accumulation",
    "skipped steps",
]


@pytest.mark.parametrize("name", QUICK)
def test_a_training_that_is_killed_thrice_is_bit_for_bit_the_one_that_is_not(name, tmp_path):
    campaign = Campaign(JOBS[name], tmp_path, seed=6)
    campaign.run(3)
    assert campaign.killed.total() == 3


@pytest.mark.crash
@pytest.mark.timeout(120 + 20 * KILLS)
@pytest.mark.parametrize("name", JOBS)
def test_a_training_that_is_killed_again_and_again_is_bit_for_bit_the_one_that_is_not(name, tmp_path):
    """Where Lightning alone is, the first ones show; without them the rest would prove nothing."""
    kills = math.ceil(KILLS / len(JOBS))
    campaign = Campaign(JOBS[name], tmp_path, SEED)
    campaign.run(kills)
    assert campaign.killed.total() == kills


@pytest.mark.parametrize("point", ["half of a checkpoint is written", "a checkpoint is written but not in its place"])
def test_a_checkpoint_that_was_being_written_as_the_training_was_killed_is_never_resumed_from(point, tmp_path):
    campaign = Campaign(JOBS["warm-up, SGDR, two plateaus"], tmp_path, seed=6)
    campaign.here = tmp_path / "killed"
    for nth in (9, 4, 3):
        assert not campaign.live(point, nth)
    assert [file for file in campaign.here.iterdir() if file.name.startswith("tmp")]  # what was being written
    assert campaign.live()
    assert campaign.what_is_left() == campaign.end


def test_the_comparison_sees_an_lr_that_is_wrong_by_its_last_bit(tmp_path):
    campaign = Campaign(JOBS["plateau, min, rel"], tmp_path, seed=6)
    lrs, momenta = campaign.expected[0, 20]
    campaign.expected[0, 20] = [math.nextafter(lrs[0], 1.0), *lrs[1:]], momenta
    campaign.here = tmp_path / "another"
    with pytest.raises(AssertionError, match=r"step 20: (.|\n)* LR_CALLBACKS_SEED=6"):
        campaign.live()
