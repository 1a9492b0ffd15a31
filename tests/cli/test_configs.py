"""Every configuration file that a newcomer is offered runs, does what its comments say, and as it is drawn."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
from cli_support import run, scalars
from torch_schedulers import IDS

CONFIGS = Path(__file__).parents[2] / "configs"
NO_SCHEDULES = ("range_test", "sweep", "one_cycle_auto")  # their LRs are found by training
BY_TIME = ("wall_clock",)  # what a step uses depends on when it begins
SCHEDULES = sorted(path for path in CONFIGS.glob("*.yaml") if path.stem not in (*NO_SCHEDULES, *BY_TIME))
TORCH = [path for path in SCHEDULES if path.stem.startswith("torch_")]
FAST = ("--trainer.enable_checkpointing=false", "--trainer.num_sanity_val_steps=0")
EPOCHS, STEPS = 3, 120

# LR at the first step, at step 20, and at the last step of a run of 120 steps.
EXPECTED = {
    "constant": (0.02, 0.02, 0.02),
    "constant_factor": (0.009, 0.009, 0.03),
    "cosine_annealing": (0.03, None, 0.0001 + 0.0299 * (1 + math.cos(math.pi * 119 / 120)) / 2),
    "cyclical_lr": (0.003, 0.003 + 0.057 * 20 / 40, 0.003 + 0.0285 * 39 / 40),
    "exponential_decay": (0.03, 0.03 * 0.8**0.5, 0.03 * 0.8 ** (119 / 40)),
    "final_decay": (0.003, None, None),
    "greedy_lr": (0.01, 0.01, None),
    "inverse_sqrt": (0.003, 0.003 + 0.027 * 20 / 40, 0.03 * math.sqrt(40 / 119)),
    "lambda_factor": (0.03, 0.03, 0.03),
    "linear_decay": (0.003, 0.03 * (1 - 14 / 114), 0.03 / 114),
    "multi_step_decay": (0.03, 0.03, 0.0003),
    "multiplicative_factor": (0.03, 0.03 * math.prod(1 - 0.02 * t / 400 for t in range(1, 21)), None),
    "one_cycle": (0.004, None, 0.1 / 25 / 1e4),
    "one_cycle_auto": (None, None, None),  # what the range test finds: tests/cli/test_range_test_command.py
    "plateau": (0.03, 0.03, None),
    "plateau_until_done": (0.03, 0.03, None),
    "piecewise": (0.003, 0.003 + 0.027 * 20 / 40, 0.003 * (1 + math.cos(math.pi * 47 / 48)) / 2),
    "polynomial_decay": (0.03, 0.0001 + 0.0299 * (5 / 6) ** 2, 0.0001 + 0.0299 / 120**2),
    "rex": (0.03, 0.03 * (5 / 6) / (11 / 12), 0.03 * (1 / 120) / (0.5 + 0.5 / 120)),
    "restarts": (0.0005, 0.0005 + 0.0295 * (1 - 18 / 23) ** 2, 0.0005),
    "sequential": (0.03, 0.01 + 0.02 * (1 + math.cos(math.pi * 20 / 48)) / 2, 0.01 / 36),
    "sgdr": (0.03, None, None),
    "step_decay": (0.03, 0.03, 0.03),
    # 12 steps of warm-up, milestones at steps 60 and 96
    "stretch_plan": (0.003, 0.03, 0.0003),
    "inverse_power": (0.03, 0.03 / 1.25, 0.03 / (1 + 0.5 * 119 / 40)),
    "noise": (0.03, None, None),
    "tanh_decay": (0.03, 0.03 * (1 - math.tanh(-7 + 10 / 6)) / 2, 0.03 * (1 - math.tanh(-7 + 1190 / 120)) / 2),
    "tri_stage": (0.0003, 0.03, 0.03 * 0.05 ** (59 / 60)),
    "untuned_warmup": (0.003 / 199, 0.003 * 21 / 199, 0.003 * 120 / 199),
    "waves": (0.03, None, None),
    "warmup": (0.003, 0.03, 0.03),
    "warmup_stable_decay": (0.003, 0.03, 0.03 * (1 - math.sqrt(23 / 24))),
    "warmup_plateau": (0.003, 0.003 + 0.027 * 20 / 40, None),
}


def tag_of(name: str) -> str:
    """Under which name the LR of a configuration is logged."""
    return "lr/Adam" if name == "untuned_warmup" else "lr/SGD"


def test_each_configuration_is_tested():
    # sweep and range_test are no fits: tests of these commands run them
    elsewhere = {path.stem for path in TORCH} | {"sweep", "range_test", *BY_TIME}
    assert {path.stem for path in CONFIGS.glob("*.yaml")} - elsewhere == set(EXPECTED)


def test_every_torch_scheduler_has_a_configuration():
    named = "".join(path.read_text() for path in TORCH)
    assert len(TORCH) == 15
    assert [name for name in [*IDS, "ReduceLROnPlateau"] if f"torch's {name}:" not in named] == []


def rates_as_drawn(name: str, *flags: str) -> dict[int, float]:
    """The LR at each step of a real training, which is what `plot` draws for the losses that it had."""
    cli = run("fit", *flags)
    rates, losses = (scalars(f"runs/{name}/version_0", tag) for tag in (tag_of(name), "val_loss"))
    assert list(rates) == list(range(cli.trainer.global_step))
    if name not in NO_SCHEDULES:
        drawn = run("plot", *flags, f"--metrics={list(losses.values())}").curves[0][1]
        assert list(rates.values()) == pytest.approx(drawn, rel=1e-6)
    assert cli.trainer.callback_metrics["val_acc"] > 0.9 or "--trainer.limit_val_batches=1" in flags
    return rates


@pytest.mark.parametrize("path", [path for path in SCHEDULES if path.stem not in EXPECTED], ids=lambda path: path.stem)
def test_a_configuration_trains_with_the_learning_rates_that_plot_draws(path, workplace):
    short = (f"--config={path}", "--trainer.limit_train_batches=4", "--trainer.limit_val_batches=1", *FAST)
    assert len(rates_as_drawn(path.stem, *short)) % 4 == 0


@pytest.mark.parametrize("name", EXPECTED)
def test_a_configuration_trains_and_its_learning_rate_is_what_it_says_and_what_plot_draws(name, workplace):
    rates = rates_as_drawn(name, f"--config={CONFIGS / name}.yaml", f"--trainer.max_epochs={EPOCHS}")
    assert len(rates) == STEPS
    expected = dict(zip((0, 20, STEPS - 1), EXPECTED[name], strict=True))
    for step, rate in expected.items():
        if rate is not None:
            assert rates[step] == pytest.approx(rate, rel=1e-6)


def test_the_warmup_is_five_percent_of_whatever_length_the_run_has(workplace):
    run("fit", f"--config={CONFIGS / 'warmup.yaml'}", "--trainer.max_epochs=3")
    rates = scalars("runs/warmup/version_0", "lr/SGD")
    assert rates[5] < rates[6] == pytest.approx(0.03, rel=1e-6)


def test_sgdr_restarts_at_the_steps_that_its_comments_name(workplace):
    run("fit", f"--config={CONFIGS / 'sgdr.yaml'}", "--trainer.max_epochs=7", "--trainer.limit_train_batches=8")
    rates = scalars("runs/sgdr/version_0", "lr/SGD")
    restarts = [step for step in range(1, len(rates)) if rates[step] > rates[step - 1]]
    assert restarts == [2 * 8, 6 * 8]
    assert [rates[step] for step in restarts] == pytest.approx([0.03, 0.03], rel=1e-6)


def test_the_plateau_configuration_reduces_within_its_epochs(workplace):
    run("fit", f"--config={CONFIGS / 'plateau.yaml'}", "--trainer.limit_train_batches=20")
    rates = list(scalars("runs/plateau/version_0", "lr/SGD").values())
    assert rates[0] == pytest.approx(0.03, rel=1e-6)
    assert 1e-4 * 0.99 < rates[-1] < 0.03
    assert all(after in (before, pytest.approx(before / 2)) for before, after in pairwise(rates))


def test_the_wall_clock_configuration_is_at_its_end_when_the_time_is_up(workplace):
    cli = run("fit", f"--config={CONFIGS / 'wall_clock.yaml'}", "--trainer.max_time=00:00:00:08")
    rates = list(scalars("runs/wall_clock/version_0", "lr/SGD").values())
    peak = rates.index(max(rates))
    assert len(rates) == cli.trainer.global_step
    assert rates[0] == pytest.approx(0.01, rel=1e-3)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0.02 < rates[peak] < 0.0300001
    assert rates[-1] < 0.3 * rates[peak]
