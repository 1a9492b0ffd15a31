"""`lr-callbacks range-test` finds and shows an LR, and trains nothing."""

import csv
import json
from pathlib import Path

import pytest
from cli_support import OWN, QUIET, run, scalars

from lr_callbacks.__main__ import main
from lr_callbacks.cli.range_test import MEANINGS
from lr_callbacks.range_test.rules import RULES

CONFIGS = Path(__file__).parents[2] / "configs"
DEMO = f"--config={CONFIGS / 'range_test.yaml'}"


def test_the_demo_prints_a_verdict_and_every_rule_and_leaves_a_picture_a_table_and_json(workplace, capsys):
    cli = run("range-test", DEMO, "--rules=true")
    folder = Path("runs/range_test/version_0")
    found = json.loads((folder / "range_test.json").read_text())
    rows = list(csv.DictReader((folder / "range_test.csv").read_text().splitlines()))
    assert [float(row["loss"]) for row in rows] == found["losses"]
    assert 1e-3 < found["suggestion"] < 0.1
    assert (folder / "range_test.png").read_bytes().startswith(b"\x89PNG")
    assert list(scalars(folder, "range_test/loss").values()) == pytest.approx(found["losses"], rel=1e-6)
    assert (folder / "config.yaml").exists()
    assert cli.trainer.global_step == 0
    assert not list(Path("runs").rglob("*.ckpt"))
    shown = capsys.readouterr().out
    assert " ".join(shown.split()).startswith(" ".join(found["verdict"].split()))
    assert f" * blend     {found['suggestion']:.2e}" in shown
    assert [line.split()[0] for line in shown.splitlines() if line.startswith("   ")][-len(RULES) :] == [
        "Rule",
        *list(RULES)[1:],
    ]
    assert f"Picture     {folder / 'range_test.png'}" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_a_newcomer_sees_a_verdict_and_an_interval_and_no_table_of_rules(workplace, capsys):
    run("range-test", DEMO)
    found = json.loads(Path("runs/range_test/version_0/range_test.json").read_text())
    shown = capsys.readouterr().out
    assert f"Peak LR         {found['suggestion']:.1e}" in shown
    assert "Interval        {:.1e} to {:.1e}".format(*found["interval"]) in shown
    assert "Confidence      guess" in shown
    assert "steepest" not in shown


def test_trials_are_made_and_shown(workplace, capsys):
    run("range-test", DEMO, "--trials=3", "--trial_steps=50", "--trainer.max_epochs=4")
    folder = Path("runs/range_test/version_0")
    found = json.loads((folder / "range_test.json").read_text())
    assert len(found["trials"]) == 3
    shown = capsys.readouterr().out
    assert all(f"   {trial['lr']:.2e}   {trial['loss']:.4g}" in shown for trial in found["trials"])
    assert "Confidence      guess" not in shown
    trials = scalars(folder, "range_test/trial_loss")
    assert sorted(trials.values()) == pytest.approx(sorted(trial["loss"] for trial in found["trials"]), rel=1e-5)


def test_what_it_finds_is_what_the_fit_of_the_same_configuration_trains_with(workplace):
    auto = f"--config={CONFIGS / 'one_cycle_auto.yaml'}"
    run("range-test", auto)
    found = json.loads(Path("runs/one_cycle_auto/version_0/range_test.json").read_text())["suggestion"]
    run("fit", auto, "--trainer.max_epochs=2")
    assert max(scalars("runs/one_cycle_auto/version_1", "lr/SGD").values()) == pytest.approx(found, rel=1e-4)


def test_flags_go_before_the_configured_test(workplace, capsys):
    flags = ["--num_steps=40", "--max_lr=1.0", "--rule=smith", "--judge=training", "--name=mine", "--rules=true"]
    run("range-test", DEMO, *flags)
    found = json.loads(Path("runs/mine/version_0/range_test.json").read_text())
    assert (found["rule"], found["judge"]) == ("smith", "training")
    assert found["lrs"][:2] == pytest.approx([1e-7, 1e-7 * 1e7 ** (1 / 39)])
    assert f" * smith     {found['suggestion']:.2e}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "own", [("--model=mine.Net", "--data=mine.Data"), ("--model=mine.NetWithLoader", "--data=null")]
)
def test_a_module_and_data_of_ones_own_are_tested_without_a_logger_too(own, workplace):
    Path("mine.py").write_text(OWN)
    run("range-test", *own, "--name=own", "--trainer.logger=false", "--num_steps=30")
    found = json.loads(Path("runs/own/range_test.json").read_text())
    assert found["suggestion"] is not None


def test_where_nothing_is_found_it_says_why_and_what_to_change(workplace, capsys):
    Path("flat.py").write_text(OWN.replace(".square().mean()", ".mean() * 0"))
    run("range-test", "--model=flat.Net", "--data=flat.Data", "--num_steps=20", "--rules=true")
    shown = " ".join(capsys.readouterr().out.split())
    assert "No suggestion: the loss does not fall by more than its noise between LR" in shown
    assert "Set max_lr above" in shown
    assert " * blend" not in shown
    assert "descent none" in shown


def test_of_several_configured_tests_one_is_named(workplace, capsys):
    two = [
        word
        for number in (0, 1)
        for word in ("--trainer.callbacks+=LRRangeTest", f"--trainer.callbacks.optimizer={number}")
    ]
    with pytest.raises(SystemExit, match=r"Several LRRangeTest are configured.*select it by its --optimizer"):
        main(["range-test", *QUIET, *two])
    run("range-test", *two, "--optimizer=0", "--num_steps=20")
    assert "Suggested peak LR" in capsys.readouterr().out


def test_a_wrong_flag_is_named_with_its_rule(workplace):
    with pytest.raises(SystemExit, match="num_steps must be at least 10, got 3"):
        main(["range-test", *QUIET, "--num_steps=3"])


def test_the_table_explains_every_rule():
    assert list(MEANINGS) == list(RULES)
