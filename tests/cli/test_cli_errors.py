"""What the command line answers to what it cannot do, and where it offers help."""

import sys
from pathlib import Path

import pytest
from cli_support import OWN, QUIET, SHORT
from lightning.pytorch import Callback

import lr_callbacks
from lr_callbacks.__main__ import main


def fails(capsys, *args):
    """The text with which the command ends."""
    with pytest.raises(SystemExit) as ended:
        main([*args])
    assert ended.value.code not in (0, None)
    return capsys.readouterr().err + (ended.value.code if isinstance(ended.value.code, str) else "")


def test_an_unknown_callback_is_answered_with_the_known_ones(workplace, capsys):
    said = fails(capsys, "fit", "--trainer.callbacks+=Warmpu")
    public = {name: getattr(lr_callbacks, name) for name in sorted(lr_callbacks.__all__) if name != "LRCallback"}
    known = ", ".join(name for name, held in public.items() if isinstance(held, type) and issubclass(held, Callback))
    assert "OneCycle" in known
    assert said == (
        "error: trainer.callbacks: unknown class Warmpu\n"
        f"Did you mean Warmup? Callbacks of this package: {known}.\n"
        "A class of your own needs its import path, such as my_module.Warmpu with my_module.py in this folder.\n"
        "All options: lr-callbacks fit --help\n"
    )


@pytest.mark.parametrize(("option", "name"), [("model", "Digits"), ("model.optimizer", "SGDD"), ("data", "Digit")])
def test_an_unknown_class_of_another_kind_is_not_answered_with_callbacks(workplace, capsys, option, name):
    assert fails(capsys, "fit", f"--{option}={name}") == (
        f"error: {option}: unknown class {name}\n"
        f"A class of your own needs its import path, such as my_module.{name} with my_module.py in this folder.\n"
        "All options: lr-callbacks fit --help\n"
    )


@pytest.mark.parametrize("command", ["fit", "range-test"])
def test_what_an_optimizer_refuses_is_one_line(workplace, capsys, command):
    assert fails(capsys, command, *SHORT, "--model.optimizer.lr=-1").endswith("error: Invalid learning rate: -1.0")


def test_a_file_that_is_no_text_is_refused_as_a_configuration_by_its_name(workplace, capsys):
    Path("last.ckpt").write_bytes(b"PK\x03\x04\xad\xff")
    assert "config must be a YAML file, got 'last.ckpt', which is not text" in fails(
        capsys, "fit", "--config=last.ckpt"
    )


def test_an_unknown_module_is_answered_with_where_it_was_looked_for(workplace, capsys):
    said = fails(capsys, "fit", "--model=nowhere.Net")
    assert said.endswith(
        f"nowhere is neither in this folder ({workplace}) nor an installed package.\n"
        "All options: lr-callbacks fit --help\n"
    )


def test_an_unknown_option_is_named(workplace, capsys):
    said = fails(capsys, "fit", "--epochs=3")
    assert "--epochs" in said
    assert said.endswith("--help\n")


@pytest.mark.parametrize(
    ("flags", "rule"),
    [
        (("+=Warmup", ".duration=5 parsecs"), "duration has an unknown unit, got '5 parsecs'; write"),
        (("+=SGDR", ".T_0=0"), "T_0 must be positive, got 0; write"),
        (("+=OneCycle", ".pct_start=1.5"), "pct_start must be between 0 and 1, got 1.5"),
    ],
)
def test_a_wrong_argument_of_a_callback_is_one_line(workplace, capsys, flags, rule):
    said = fails(capsys, "fit", *[f"--trainer.callbacks{flag}" for flag in flags]).splitlines()[-1]
    assert said.startswith(f"error: {rule}")


def test_a_monitor_that_nobody_logs_is_one_line_that_lists_what_is_logged(workplace, capsys):
    said = fails(capsys, "fit", *SHORT, "--trainer.callbacks+=ReduceLROnPlateau", "--trainer.callbacks.monitor=nope")
    assert said.splitlines()[-1].startswith("error: ReduceLROnPlateau(monitor='nope')")
    assert "val_loss" in said.splitlines()[-1]


def test_an_error_of_the_users_own_code_keeps_its_traceback(workplace):
    Path("own_broken.py").write_text(
        OWN.replace("return self.layer(batch[0]).square().mean()", "raise ValueError('mine')")
    )
    with pytest.raises(ValueError, match="mine"):
        main(["fit", *QUIET, "--model=own_broken.NetWithLoader", "--data=null"])


@pytest.mark.parametrize("module", ["jsonargparse", "tensorboard", "sklearn"])
def test_a_missing_extra_is_named_instead_of_a_traceback(monkeypatch, capsys, module):
    monkeypatch.setitem(sys.modules, module, None)
    assert fails(capsys, "fit") == (
        f'lr-callbacks: The command line needs {module}; install it with: pip install "lr-callbacks[cli]"'
    )
