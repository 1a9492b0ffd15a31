"""The pictures of the configurations and the table of them in docs/choosing.md are up to date."""

import re
from pathlib import Path

import pytest
from PIL import Image

import lr_callbacks

CONFIGS = Path(__file__).parents[2] / "configs"
AGAIN = "draw them again: python configs/draw_pictures.py"


@pytest.fixture
def drawing(monkeypatch, workplace):
    monkeypatch.syspath_prepend(str(CONFIGS))
    import draw_pictures

    return draw_pictures


@pytest.mark.parametrize(
    "path",
    sorted(path for path in CONFIGS.glob("*.yaml") if path.stem not in ("range_test", "sweep", "one_cycle_auto")),
    ids=lambda path: path.stem,
)
def test_a_picture_shows_the_learning_rates_of_its_configuration(path, drawing):
    shown = (CONFIGS / "pictures" / f"{path.stem}.svg").read_text()
    assert f"<metadata>{drawing.checksum(drawing.lrs_of(path))}</metadata>" in shown, AGAIN


def test_every_configuration_has_a_small_picture_and_no_picture_is_left_over(drawing):
    sizes = {path.stem: path.stat().st_size for path in drawing.PICTURES.glob("*.svg")}
    assert set(sizes) == {path.stem for path in drawing.schedules()}, AGAIN
    assert max(sizes.values()) < 15_000
    unlabelled = [path.stem for path in drawing.PICTURES.glob("*.svg") if ">LR</text>" not in path.read_text()]
    assert unlabelled == [], AGAIN


def test_the_guide_lists_every_configuration_with_its_picture(drawing):
    page = drawing.PAGE.read_text()
    assert page == drawing.with_table(page), AGAIN
    for path in drawing.schedules():
        assert f"](../configs/pictures/{path.stem}.svg)" in page
        assert f"](../configs/{path.name})" in page


def test_a_picture_holds_each_step_until_the_next(drawing):
    drawn = drawing.picture([0.0, 0.5, 1.0, 1.0])
    assert 'd="M44 90H93.5V50H143V10H242"' in drawn


def test_a_picture_names_both_axes_and_their_ends(drawing):
    drawn = drawing.picture([0.0, 0.5, 1.0, 1.0])
    assert re.findall(r">([^<]+)</text>", drawn) == ["1", "LR", "0", "0", "optimizer step", "4"]


DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def overviews(monkeypatch, workplace):
    monkeypatch.syspath_prepend(str(DOCS))
    import draw_overviews

    return draw_overviews


def description_of(picture):
    with Image.open(DOCS / "pictures" / picture) as shown:
        return shown.text["Description"]


def test_the_overview_shows_the_learning_rates_of_today_under_the_code_that_makes_them(overviews):
    drawn = overviews.curves()
    assert description_of("schedules.png") == overviews.checksum(drawn), "draw it again: python docs/draw_overviews.py"
    for title, lrs in drawn.items():
        callbacks = eval(f"[{title}]", vars(lr_callbacks).copy())
        per_epoch, losses = overviews.STEPS_PER_EPOCH, overviews.LOSSES
        assert lr_callbacks.preview(callbacks, 0.1, overviews.STEPS, per_epoch, metrics=losses)[:, 0].tolist() == lrs


@pytest.mark.parametrize("concept", ["factor", "clock", "timeline", "lengths"])
def test_the_picture_of_a_concept_shows_the_numbers_of_today(concept, overviews):
    import draw_concepts

    measure, _ = draw_concepts.CONCEPTS[concept]
    drawn = description_of(f"concept_{concept}.png")
    assert drawn == overviews.checksum(measure()), "draw it again: python docs/draw_concepts.py"


def test_every_schedule_has_a_formula_and_a_picture_on_the_site(overviews):
    import formulas

    public = [name for name in lr_callbacks.__all__ if isinstance(getattr(lr_callbacks, name), type)]
    schedules = [getattr(lr_callbacks, name) for name in public]
    driving = {each.__name__ for each in schedules if issubclass(each, lr_callbacks.LRCallback) and each.drives}
    assert set(formulas.SHOWN) == driving - {"LRCallback"}
    for shown in formulas.SHOWN.values():
        assert (CONFIGS / "pictures" / f"{shown.picture}.svg").exists()
        assert "<math" in formulas.mathml(shown.formula, block=True)


def test_the_picture_of_the_range_test_shows_about_the_suggestion_of_today(overviews):
    # about: the last bits of a training differ between processors, and grow
    assert overviews.range_test().suggestion == pytest.approx(float(description_of("range_test.png")), rel=0.3)


def test_every_picture_is_small_and_shown_in_the_readme_or_the_guide():
    pages = [DOCS.parent / "README.md", *DOCS.glob("*.md")]
    shown = {name for page in pages for name in re.findall(r"\]\((?:docs/)?pictures/([\w.]+)\)", page.read_text())}
    assert shown == {path.name for path in (DOCS / "pictures").iterdir()}
    assert max((DOCS / "pictures" / name).stat().st_size for name in shown) < 60_000
