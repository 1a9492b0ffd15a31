"""What a sweep shows: the table, its verdict, the picture."""

import csv
import math

import pytest

from lr_callbacks.sweep import Row, SweepTable


def test_the_table_says_where_the_best_is_and_when_the_grid_was_too_narrow():
    rows = [Row({"lr": lr}, [value]) for lr, value in [(0.1, 0.90), (0.01, 0.985), (0.001, 0.97), (1.0, 0.1)]]
    table = SweepTable.ranked("val_acc", "max", rows)
    assert table.verdict() == "Best: lr 0.01 with val_acc 0.985.\nWithin 2 % of it: LRs from 0.001 to 0.01."
    for suggestion, side in ((0.002, "inside"), (0.02, "outside")):
        marked = SweepTable.ranked("val_acc", "max", rows, suggestion).verdict()
        assert f"\nThe LR range test suggests {suggestion}, {side} that range." in marked
    alone = SweepTable.ranked("val_acc", "max", [rows[0], rows[1], Row({"lr": 0.001}, [0.5])], 0.004).verdict()
    assert (
        "Within 2 % of it: no other LR.\nThe LR range test suggests 0.004, the LR of the grid next to it is 0.01."
        in alone
    )
    narrow = SweepTable.ranked("val_acc", "max", rows[:2])
    assert narrow.verdict().endswith("The best LR is at the edge of the grid: try smaller ones too.")
    assert str(table).splitlines()[1].split() == ["1", "0.01", "0.985", "1", "0", "0.0"]


def test_the_picture_is_logarithmic_and_marks_the_best_the_suggestion_and_what_diverged(tmp_path):
    rows = [
        Row({"lr": 0.1}, [0.9, 0.8]),
        Row({"lr": 0.01}, [0.83, 0.85]),
        Row({"lr": 1.0}, [math.nan, 0.1], "diverged"),
        Row({"lr": 0.001}, [0.3], "pruned", skipped=1),
    ]
    figure = SweepTable.ranked("val_acc", "max", rows, suggestion=0.07).plot(tmp_path / "sweep.png")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert labels == {
        "mean over seeds", "pruned", "diverged", "within 2 % of the best", "best: lr 0.1", "range test suggests 0.07",
    }  # fmt: skip
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_is_also_a_file(tmp_path):
    SweepTable.ranked("loss", "min", [Row({"lr": 0.1}, [2.0]), Row({"lr": 0.2}, [1.0])]).to_csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open() as file:
        assert [(line["lr"], line["loss"]) for line in csv.DictReader(file)] == [("0.2", "1.0"), ("0.1", "2.0")]


def test_a_picture_without_a_learning_rate_is_refused():
    table = SweepTable.ranked("loss", "min", [Row({"width": 8}, [1.0])])
    assert table.verdict() == "Best: width 8 with loss 1."
    with pytest.raises(ValueError, match="a picture needs a learning rate as an axis, got width"):
        table.plot()
