"""The guide in docs/: Python blocks run, configurations are read by the command line, links lead somewhere."""

from __future__ import annotations

import re
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from lr_callbacks.cli.app import LRCallbacksCLI

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {path.stem: path.read_text() for path in sorted(DOCS.glob("*.md"))}
RUN = ("index", "getting_started", "concepts", "finding_an_lr", "recipes", "resume")
NOT_RUN = {
    "migration": "each snippet is trained by tests/callbacks/test_migration.py",
    "sweep": "its recipes are run by tests/sweep/test_sweep_recipes.py, where Ray and W&B are there",
    "adding_a_schedule": "its recipe is run by tests/meta/test_contributing.py",
}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def test_every_page_with_code_is_run_or_says_why_not():
    with_code = {name for name, text in PAGES.items() if blocks(text, "python")}
    assert with_code - set(NOT_RUN) == set(RUN)


@pytest.mark.parametrize("name", RUN)
def test_the_python_blocks_of_a_page_run_one_after_another(name, workplace, monkeypatch):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    original = Trainer.__init__

    def init(self, **arguments):
        original(self, **{**quiet, **arguments})

    monkeypatch.setattr(Trainer, "__init__", init)
    namespace = {"__name__": name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place, block in enumerate(blocks(PAGES[name], "python")):
            exec(compile(block, f"{name}.md, Python block {place}", "exec"), namespace)


CONFIGURATIONS = [(name, block) for name, text in PAGES.items() for block in blocks(text, "yaml")]


@pytest.mark.parametrize(("name", "block"), CONFIGURATIONS, ids=[name for name, _ in CONFIGURATIONS])
def test_a_configuration_is_read_by_the_command_line(name, block, workplace):
    (workplace / "page.yaml").write_text(block)
    with redirect_stdout(StringIO()):
        drawn = LRCallbacksCLI(["plot", "--config=page.yaml", "--trainer.accelerator=cpu", "--png=null", "--csv=null"])
    ((_, lrs),) = drawn.curves
    assert len(set(lrs)) > 1


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_lead_to_pages_and_headings(name):
    for page, anchor in re.findall(r"\]\(([\w./]+\.(?:md|rst|yaml|svg|png))(?:#([\w-]+))?\)", PAGES[name]):
        assert (DOCS / page).exists(), page
        if anchor:
            headings = re.findall(r"^#+ (.*)$", (DOCS / page).read_text(), re.M)
            assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]
