"""LRs and momenta are what they were, bit for bit: `golden.json` holds them, `helpers/golden.py` runs the fits."""

import pytest
from golden import difference, read
from golden_cases import all_cases

from lr_callbacks.schedules import one_cycle_factor

CASES, GOLDEN = all_cases(), read()
CHANGED = {
    "OneCycle; a module that skips steps": (
        "The module steps in every second batch. After the first epoch that is known, and the cycle ends with the run;"
        " before, the last of its 6 steps was at step 5 of a cycle of 12.",
        (0, 1, 4, 6, 8, 10),
    ),
}
"""Entries that are not what they were when the file was first written, with the reason, and the steps of the cycle."""


def test_the_file_holds_every_case_and_no_other():
    assert list(GOLDEN["cases"]) == list(CASES)


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_entry_has_the_values_of_the_formula(name):
    _, steps = CHANGED[name]
    (label,) = GOLDEN["cases"][name]
    kept = GOLDEN["traces"][GOLDEN["cases"][name][label]]["steps"]
    used = [float.fromhex(value.split()[0].split("/")[0]) for value in kept.values()]
    assert used == pytest.approx([0.1 * float(one_cycle_factor(t, total_steps=12)) for t in steps], abs=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_each_step_uses_the_values_of_the_golden_file(name):
    told = difference(name, CASES[name](), GOLDEN)
    if told is not None:
        pytest.fail(told, pytrace=False)
