"""Names of other libraries lead to what is theirs here."""

import re

import pytest
from cli_support import run
from torch.optim import lr_scheduler

import lr_callbacks
from lr_callbacks.other_names import ELSEWHERE


@pytest.mark.parametrize("name", ELSEWHERE)
def test_each_name_leads_to_something_that_is_here(name):
    with pytest.raises(AttributeError, match=re.escape(f"has no attribute {name!r}. Did you mean {ELSEWHERE[name]}?")):
        getattr(lr_callbacks, name)
    named = re.findall(r"\b[A-Z]\w+", ELSEWHERE[name])
    assert all(hasattr(lr_callbacks, each) for each in named)


def test_every_scheduler_of_torch_is_known_here():
    theirs = {name for name in lr_scheduler.__all__ if name != "LRScheduler"}
    assert theirs - set(lr_callbacks.__all__) - set(ELSEWHERE) == set()


def test_a_name_that_nobody_has_leads_nowhere():
    with pytest.raises(AttributeError, match=r"has no attribute 'Fancy'$"):
        lr_callbacks.Fancy  # noqa: B018


def test_the_command_line_says_so_too(capsys):
    with pytest.raises(SystemExit):
        run("fit", "--trainer.callbacks+=CosineAnnealingWarmRestarts")
    assert "Did you mean SGDR?" in capsys.readouterr().err
