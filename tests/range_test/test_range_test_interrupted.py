"""An exception or Ctrl-C in the middle of a range test: everything is as before the fit, and no file is left."""

from __future__ import annotations

import pytest
import torch
from support import trainer
from trace_support import Busy, MemoryLogger, Watcher, plain, random_states, seed_all, shuffled

from lr_callbacks.range_test.callback import LRRangeTest


class Raises(Busy):
    """Raises at its 12th training step."""

    error: type[BaseException] = RuntimeError

    def training_step(self, batch, batch_idx):
        if self.steps_seen == 12:
            raise self.error("in the middle")
        return super().training_step(batch, batch_idx)


class BeforeTheFit(Watcher):
    """Notes the state just before the range test, which stands behind it, and when the exception arrives."""

    def on_fit_start(self, trainer, pl_module):
        self.before = self.note(trainer, pl_module)

    def on_exception(self, trainer, pl_module, exception):
        self.after = self.note(trainer, pl_module)

    @staticmethod
    def note(trainer, module):
        groups = [[{k: v for k, v in g.items() if k != "params"} for g in o.param_groups] for o in trainer.optimizers]
        return {
            "module": plain(module),
            "gradients": [p.grad for p in module.parameters()],
            "optimizer": plain([dict(o.state) for o in trainer.optimizers]),
            "groups": plain(groups),
            "hooks": [len(o._optimizer_step_post_hooks) for o in trainer.optimizers],
            "random states": random_states(),
            "loops": plain(trainer.fit_loop.state_dict()),
            "callbacks": list(trainer.callbacks),
            "loggers": list(trainer.loggers),
            "profiler": trainer.profiler,
        }


@pytest.mark.parametrize(("error", "raised"), [(RuntimeError, RuntimeError), (KeyboardInterrupt, SystemExit)])
@pytest.mark.parametrize("workers", [0, 2])
def test_everything_is_as_before_the_fit(error, raised, workers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Raises, "error", error)
    seed_all()
    module, noted, loader = Raises(momentum=0.9), BeforeTheFit(), shuffled(num_workers=workers)
    test = LRRangeTest(num_steps=30)
    run = trainer(noted, test, logger=MemoryLogger(), max_epochs=1)
    with pytest.raises(raised):
        run.fit(module, loader)
    assert noted.after == noted.before
    assert test.result is None
    assert list(tmp_path.iterdir()) == []


def test_the_error_is_the_users_own():
    with pytest.raises(RuntimeError, match="in the middle"):
        trainer(LRRangeTest(num_steps=30), max_epochs=1).fit(Raises(), shuffled())


def test_an_interrupted_fit_can_be_started_again(monkeypatch):
    seed_all()
    module, fresh = Raises(), Busy()
    fresh.load_state_dict(module.state_dict())
    with pytest.raises(RuntimeError, match="in the middle"):
        trainer(LRRangeTest(num_steps=30), max_epochs=1).fit(module, shuffled())
    for one, other in zip(module.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(one, other)
