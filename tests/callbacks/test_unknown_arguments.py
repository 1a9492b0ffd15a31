"""An argument that a class does not have is answered with the class and the likely one."""

from __future__ import annotations

import pytest

import lr_callbacks as lc


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: lc.SGDR(3, grups=[1]), "SGDR takes no argument 'grups'; did you mean 'groups'?"),
        (lambda: lc.GreedyLR("val_loss", min_lrs=0.1), "GreedyLR takes no argument 'min_lrs'; did you mean 'min_lr'?"),
        (lambda: lc.LinearDecay(foo=1), r"LinearDecay takes no argument 'foo'; it takes .*start_factor.*, groups"),
    ],
)
def test_an_argument_that_is_not_there_is_refused_with_those_that_are(build, message):
    with pytest.raises(TypeError, match=message):
        build()
