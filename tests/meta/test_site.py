"""The site, built here: no warning, no dead link, formulas as MathML, nothing fetched from the network."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    options = ("--builder", "html", "--fresh-env", "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "-d", str(folder / "trees"), str(DOCS), str(folder / "html")],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder / "html"


@cache
def anchors(page: Path) -> set[str]:
    return set(re.findall(r'\b(?:id|name)="([^"]+)"', page.read_text()))


def test_no_link_of_any_page_is_dead(site):
    dead, seen = [], 0
    for page in site.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"]+)"', page.read_text()):
            if re.match(r"[a-z]+:", link):
                continue  # another site
            file, _, anchor = unquote(link).partition("#")
            target = page if not file else (page.parent / file.partition("?")[0]).resolve()
            seen += 1
            if not target.exists() or (anchor and target.suffix == ".html" and anchor not in anchors(target)):
                dead.append(f"{page.relative_to(site)}: {link}")
    assert dead == []
    assert seen > 1000


def test_a_page_needs_nothing_from_the_network(site):
    for page in site.rglob("*.html"):
        assert not re.search(
            r'<(?:script|img)[^>]+src="https?://|<link[^>]+stylesheet[^>]+href="https?://', page.read_text()
        )


def test_every_schedule_has_its_formula_its_picture_and_a_link_to_its_source(site):
    page = (site / "schedules.html").read_text()
    for name in re.findall(r'<h2>(\w+)<a class="headerlink"', page):
        section = page.partition(f"<h2>{name}<")[2].partition("<h2>")[0]
        assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in section, name
        assert re.search(r'<img alt="LR over the run', section), name
        assert f"#lr_callbacks.{name}" in section, name
        assert 'href="_modules/lr_callbacks/' in section, name
    assert page.count("<h2>") > 20
