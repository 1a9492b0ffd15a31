"""A checkpoint is data from a stranger: it loads with weights_only, and what is wrong is said when it is loaded."""

from __future__ import annotations

import copy
import pathlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from battery_schedules import SCHEDULES, shrink
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, Recorder, fit, loader, sgd, trainer
from torch.optim import lr_scheduler

import lr_callbacks as lc
from lr_callbacks.core import param_groups as pg

NAN, HUGE = float("nan"), 10**400


def saved(callbacks: list[Any], folder: pathlib.Path, steps: int = 4, **kwargs: Any) -> dict[str, Any]:
    """The checkpoint of a run in its middle, loaded as from a stranger."""
    saver = ModelCheckpoint(folder, "at", every_n_train_steps=steps, enable_version_counter=False)
    module = Net(sgd((0.1, 0.02)), [1.0, 1.0, 0.5])
    fit(*callbacks, saver, module=module, batches=3, max_epochs=3, val=True, enable_checkpointing=True, **kwargs)
    return torch.load(folder / "at.ckpt", weights_only=True)


def resume(
    callbacks: list[Any], checkpoint: dict[str, Any], folder: pathlib.Path, max_epochs: int | None = 3
) -> Recorder:
    torch.save(checkpoint, folder / "crafted.ckpt")
    recorder = Recorder()
    run = trainer(*callbacks, recorder, max_epochs=max_epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = {"train_dataloaders": loader(3), "val_dataloaders": loader(2)}
        run.fit(Net(sgd((0.1, 0.02)), [1.0, 1.0, 0.5]), **data, ckpt_path=folder / "crafted.ckpt")
    return recorder


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_checkpoint_with_any_callback_loads_without_unpickling_anything(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = saved(SCHEDULES[name].make(), tmp_path)
    assert checkpoint["global_step"] == 8
    if SCHEDULES[name].drives:
        assert checkpoint["optimizer_states"][0]["param_groups"][0]["lr_callbacks_step"] == 8


def test_the_package_evaluates_and_unpickles_nothing():
    sources = pathlib.Path(lc.__file__).parent.rglob("*.py")
    found = {
        f"{path.name}: {hit}"
        for path in sources
        for hit in re.findall(
            r"(?<![\w.])(?:eval|exec|compile)\(|pickle\.loads?\(|marshal|torch\.load\([^)]*|yaml\.(?:unsafe_|full_)?load\(",
            path.read_text(),
        )
        if "weights_only=True" not in hit
    }
    assert found == set()


# ---------------------------------------------------------------------- what the optimizer carries
CARRIED: list[tuple[str, Any, str]] = [
    *[
        (pg.STEP, value, r"the step count in the optimizer's state must be a whole number >= 0, got ")
        for value in (-1, 2.0, "8", True, NAN, [8], HUGE)
    ],
    *[
        (key, value, f"{key} in group 0 of the optimizer's state must be a finite number >= 0, got ")
        for key in (pg.BASE_LR, pg.CONFIGURED_LR, pg.LEFT_LR, pg.CONFIGURED_MOMENTUM, "lr")
        for value in (-0.1, "0.1", NAN, float("inf"), None, [0.1], True, HUGE)
    ],
    *[
        (pg.PLAN, value, f"{pg.PLAN} in the optimizer's state must be a list of dicts, got ")
        for value in ("OneCycle", 3, {"a": 1}, [1], [None])
    ],
    (pg.ELAPSED, HUGE, r"the elapsed milliseconds in the optimizer's state must be whole and >= 0, got "),
]


@pytest.fixture(scope="module")
def one_cycle(tmp_path_factory):
    return saved([lc.OneCycle(), plateau(), torch_plateau()], tmp_path_factory.mktemp("saved"))


def plateau() -> lc.ReduceLROnPlateau:
    return lc.ReduceLROnPlateau("scripted", patience=0, factor=0.5)


def torch_plateau() -> lc.TorchScheduler:
    return lc.TorchScheduler(lr_scheduler.ReduceLROnPlateau, monitor="scripted", patience=0, factor=0.5)


@pytest.mark.parametrize(("key", "value", "message"), CARRIED, ids=[f"{k} {v!r:.12}" for k, v, _ in CARRIED])
def test_a_damaged_number_in_the_optimizers_state_is_refused_before_the_first_step(
    key, value, message, one_cycle, tmp_path
):
    crafted = copy.deepcopy(one_cycle)
    crafted["optimizer_states"][0]["param_groups"][0][key] = value
    callbacks = [lc.LinearDecay(total_steps="30 s")] if key == pg.ELAPSED else [lc.OneCycle(), plateau()]
    with pytest.raises(ValueError, match=re.escape(message) + re.escape(repr(value))[:40]):
        resume(callbacks, crafted, tmp_path)


@pytest.mark.parametrize(
    "callback", [lc.MultiplicativeFactor(shrink), lc.TorchScheduler(lr_scheduler.StepLR, step_size=3)]
)
def test_a_count_that_no_training_has_is_refused_by_what_goes_step_by_step_and_nobody_waits_for_ever(
    callback, one_cycle, tmp_path
):
    crafted = copy.deepcopy(one_cycle)
    crafted["optimizer_states"][0]["param_groups"][0][pg.STEP] = 2**53
    with pytest.raises(ValueError, match=r"cannot replay 9007199254740992 steps \(limit 100,000,000\)"):
        resume([callback], crafted, tmp_path, max_epochs=-1)
    assert (
        len(resume([callback], crafted, tmp_path).of_group()) == 1
    )  # behind the end of a run nothing is to be made up
    assert resume([lc.CosineAnnealing()], crafted, tmp_path).of_group() == [0.0]


def test_a_count_without_its_base_lr_is_refused(one_cycle, tmp_path):
    crafted = copy.deepcopy(one_cycle)
    del crafted["optimizer_states"][0]["param_groups"][0]["initial_lr"]
    with pytest.raises(
        ValueError, match="group 0 of the optimizer's state has lr_callbacks_step but no initial_lr; both are needed"
    ):
        resume([lc.OneCycle()], crafted, tmp_path)


# ---------------------------------------------------------------------- what callbacks keep: by hand
PLATEAU = {**plateau().state_dict()}
RESULT = lc.RangeTestResult([0.1, 0.2], [1.0, 0.5], [1.0, 0.5], 0.1, {"descent": 0.1}, "found").to_dict()


def in_plateau(**damage: Any) -> tuple[Any, Any]:
    return plateau(), {**PLATEAU, **damage}


def in_result(**damage: Any) -> tuple[Any, Any]:
    return lc.LRRangeTest(), {"result": {**RESULT, **damage}}


def without(state: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: held for name, held in state.items() if name != key}


BY_HAND: list[tuple[Any, Any, str]] = [
    *[
        (make(), state, f"the state of {what} must be a dict with names as keys, got ")
        for make, what in (
            (plateau, "a plateau reduction"),
            (torch_plateau, "a TorchScheduler"),
            (lc.LRRangeTest, "LRRangeTest"),
            (lc.SnapshotCheckpoint, "SnapshotCheckpoint"),
        )
        for state in ([1], "state", {3: 4})
    ],
    (plateau(), without(PLATEAU, "best"), "the state of a plateau reduction must have just the keys"),
    (*in_plateau(best=NAN), "best must be a finite number or None, got nan"),
    (*in_plateau(best=HUGE), "best must be a finite number or None, got 1000"),
    (*in_plateau(best="1.0"), "best must be a finite number or None, got '1.0'"),
    (*in_plateau(num_reductions=HUGE), "num_reductions must be a whole number >= 0, got 1000"),
    (*in_plateau(cooldown_counter=NAN), "cooldown_counter must be a whole number >= 0, got nan"),
    (
        *in_plateau(num_reductions=10**12, num_evaluations=3),
        "num_reductions must not exceed num_evaluations, got 10000",
    ),
    (
        *in_plateau(num_bad_evaluations=4, num_evaluations=3),
        "num_bad_evaluations must not exceed num_evaluations, got 4",
    ),
    (*in_plateau(validation_due="yes"), "validation_due must be True or False in the state of a plateau reduction"),
    (*in_result(suggestion=NAN), "suggestion must be a float above 0 or None, got nan"),
    (*in_result(suggestion=-0.1), "suggestion must be a float above 0 or None, got -0.1"),
    (*in_result(suggestions=["descent"]), r"suggestions must map names of rules to floats above 0 or None, got \['des"),
    (*in_result(suggestions={"descent": "high"}), "suggestions must map names of rules to floats above 0 or None"),
    (*in_result(losses=[1.0, True]), "losses must be a list of numbers, got"),
    (*in_result(lrs=[1.0]), "losses must have 1 values, got 2"),
    (*in_result(verdict=None), "verdict must be a str, got None"),
    (*in_result(notes="note"), "notes must be a list of str, got 'note'"),
    (lc.LRRangeTest(), {"result": [1]}, r"the state of a range test must be a dict with names as keys, got \[1\]"),
    (lc.LRRangeTest(), {"result": {}}, "must have the fields of RangeTestResult: .*missing 6 required"),
    (lc.SnapshotCheckpoint(), {"paths": "abc"}, "paths must be a list of texts, got 'abc'"),
    (lc.SnapshotCheckpoint(), {"paths": [1]}, r"paths must be a list of texts, got \[1\]"),
    (torch_plateau(), {"optimizers": {"²": {}}, "validation_due": False}, "must map the indices of optimizers to"),
]


@pytest.mark.parametrize(("callback", "state", "message"), BY_HAND, ids=[m[:50] for _, _, m in BY_HAND])
def test_a_crafted_state_is_refused_with_key_rule_and_value(callback, state, message):
    with pytest.raises(ValueError, match=message):
        callback.load_state_dict(state)


# ---------------------------------------------------------------------- what callbacks keep: by chance
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 7, HUGE, -HUGE]),
    st.sampled_from([NAN, float("inf"), -float("inf"), -0.5, 0.5, 1e308]),
    st.sampled_from(["", "1", "nan", "__import__('os')"]),
    st.sampled_from([[], {}, [1.0], ["x"], {"a": 1}, [[0.1]], {"step": 3}, {"optimizer": None}]),
)


@st.composite
def damaged(draw: Any, state: Any) -> Any:
    """The state with one entry at any depth replaced, removed or added."""
    state = copy.deepcopy(state)
    place = state
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, dict | list) and inner and draw(st.booleans()):
            place = inner
            continue
        how = draw(st.sampled_from(["replace", "remove", "add"]))
        if how == "replace":
            place[key] = draw(JUNK)
        elif how == "remove" or isinstance(place, list):
            del place[key]
        else:
            place[draw(st.sampled_from(["step", "optimizer", "get_lr", "__class__", "more"]))] = draw(JUNK)
        break
    return state


@contextmanager
def refusing(message: str) -> Iterator[None]:
    """What may be refused, in words; any other error is one that came too late."""
    try:
        yield
    except (ValueError, MisconfigurationException) as error:
        if not re.search(message, str(error)):
            raise


KEPT = {
    "plateau": plateau,
    "greedy": lambda: lc.GreedyLR("scripted", patience=0, factor=0.5, smooth=2),
    "torch plateau": torch_plateau,
    "torch cosine": lambda: lc.TorchScheduler(lr_scheduler.CosineAnnealingWarmRestarts, T_0=3),
    "torch one-cycle": lambda: lc.TorchScheduler(lr_scheduler.OneCycleLR, max_lr=0.2, total_steps=9),
    "torch sequence": lambda: lc.TorchScheduler(
        schedulers=[
            lambda o: lr_scheduler.ConstantLR(o, 0.1, 2),
            lambda o: lr_scheduler.MultiStepLR(o, [2], gamma=0.5),
        ],
        milestones=[3],
    ),
}
FUZZ = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.mark.parametrize("name", KEPT)
@FUZZ
@given(data=st.data())
def test_a_damaged_state_is_refused_before_the_first_step_or_the_run_goes_on_to_its_end(name, data, states, tmp_path):
    crafted = copy.deepcopy(states[name])
    (key,) = [key for key in crafted["callbacks"] if not key.startswith("ModelCheckpoint")]
    crafted["callbacks"][key] = data.draw(damaged(crafted["callbacks"][key]))
    with refusing("state|a factor must be finite and at least 0"):
        lrs = resume([KEPT[name]()], crafted, tmp_path).of_group()
        assert len(lrs) == 1
        assert all(0 <= lr < 1e3 for lr in lrs)


OF_OURS = (pg.STEP, pg.PLAN, pg.TIMELINE, pg.ELAPSED, pg.LEFT_LR, pg.CONFIGURED_LR, pg.CONFIGURED_MOMENTUM)


@FUZZ
@given(key=st.sampled_from([*OF_OURS, pg.BASE_LR]), group=st.integers(0, 1), junk=JUNK)
def test_junk_in_the_optimizers_state_is_refused_before_the_first_step_or_the_run_goes_on(
    key, group, junk, one_cycle, tmp_path
):
    crafted = copy.deepcopy(one_cycle)
    crafted["optimizer_states"][0]["param_groups"][group][key] = junk
    with refusing("the optimizer's state"):
        lrs = resume([lc.OneCycle(), plateau()], crafted, tmp_path).of_group()
        assert all(0 <= lr <= 1 for lr in lrs)


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    return {name: saved([make()], tmp_path_factory.mktemp("kept")) for name, make in KEPT.items()}


def test_a_state_puts_nothing_in_the_place_of_a_method_of_the_scheduler(states, tmp_path):
    crafted = copy.deepcopy(states["torch cosine"])
    (key,) = [key for key in crafted["callbacks"] if not key.startswith("ModelCheckpoint")]
    crafted["callbacks"][key]["optimizers"]["0"]["foreign"]["now"]["scheduler"]["get_lr"] = 3
    with pytest.raises(ValueError, match=r"\['get_lr'\] must not be there, got 3"):
        resume([KEPT["torch cosine"]()], crafted, tmp_path)
