"""LRs and momenta are what they were, bit for bit: `golden.json` holds them, `helpers/golden.py` runs the fits."""

import pytest
from golden import difference, read
from golden_cases import all_cases

CASES, GOLDEN = all_cases(), read()


def test_the_file_holds_every_case_and_no_other():
    assert list(GOLDEN["cases"]) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_each_step_uses_the_values_of_the_golden_file(name):
    told = difference(name, CASES[name](), GOLDEN)
    if told is not None:
        pytest.fail(told, pytrace=False)
