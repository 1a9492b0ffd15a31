"""The values of other libraries: every case of the tables in `peers/` by `preview`, some in a real Trainer."""

from __future__ import annotations

import importlib
import pkgutil

import peers
import pytest
from support import Net, fit, sgd

TABLES = {info.name: importlib.import_module(f"peers.{info.name}") for info in pkgutil.iter_modules(peers.__path__)}
CASES = {f"{name}: {case}": row for name, table in TABLES.items() for case, row in getattr(table, "CASES", {}).items()}
TRAINED = [name for name, case in CASES.items() if case.is_plain and case.steps <= 60][::8]


@pytest.mark.parametrize("name", CASES)
def test_the_values_are_those_of(name):
    case = CASES[name]
    seen, expected = case.pairs(case.preview())
    assert len(seen) > 0
    assert seen == pytest.approx(expected, rel=case.rel, abs=case.abs)


@pytest.mark.parametrize("name", TRAINED)
def test_an_optimizer_sees_the_values_of(name):
    case = CASES[name]
    bases = [case.base] if isinstance(case.base, float | int) else list(case.base)
    epochs = -(-case.steps // case.per_epoch) if case.per_epoch else 1
    seen = fit(*case.callbacks, module=Net(sgd(bases)), batches=case.per_epoch or case.steps, max_epochs=epochs)
    values, expected = case.pairs(seen.lrs[0][: case.steps])
    assert values == pytest.approx(expected, rel=case.rel, abs=case.abs)
