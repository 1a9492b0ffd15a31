"""The pictures of the configurations and the README's table of them are today's."""

from pathlib import Path

import pytest

CONFIGS = Path(__file__).parent.parent / "configs"
ANEW = "draw them anew: python configs/draw_pictures.py"


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
    assert f"<metadata>{drawing.checksum(drawing.lrs_of(path))}</metadata>" in shown, ANEW


def test_every_configuration_has_a_small_picture_and_no_picture_is_left_over(drawing):
    sizes = {path.stem: path.stat().st_size for path in drawing.PICTURES.glob("*.svg")}
    assert set(sizes) == {path.stem for path in drawing.schedules()}, ANEW
    assert max(sizes.values()) < 15_000


def test_the_readme_lists_every_configuration_with_its_picture(drawing):
    readme = drawing.README.read_text()
    assert readme == drawing.with_table(readme), ANEW
    for path in drawing.schedules():
        assert f'src="configs/pictures/{path.stem}.svg"' in readme
        assert f"](configs/{path.name})" in readme


def test_a_picture_holds_each_step_until_the_next(drawing):
    drawn = drawing.picture([0.0, 0.5, 1.0, 1.0])
    assert 'd="M4 76H62V40H120V4H236"' in drawn
