"""How the site is built: `make docs`, which fails on a broken link or a name that the reference lacks."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import docstring_parser
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import lr_callbacks
from lr_callbacks import LRCallback, schedules
from lr_callbacks.cli.registry import COMMANDS, FLAGS

sys.path.insert(0, str(Path(__file__).parent))
import formulas

project, version, release = "lr_callbacks", lr_callbacks.__version__, lr_callbacks.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"
html_theme = "furo"
html_static_path, html_css_files = ["static"], ["site.css"]
html_title = f"lr_callbacks {version}"
html_show_copyright = False
html_copy_source = False
smartquotes = False  # a flag begins with two hyphens

add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_default_options = {"exclude-members": "__init__, __new__"}
napoleon_custom_sections = [("References", "References")]
napoleon_use_rtype = False

nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!lr_callbacks\.).*")]  # torch, Lightning and Python have references of their own
nitpick_ignore = [("py:class", "lr_callbacks.schedules.arrays.Method")]  # a variable of types
default_role = "name"


def documented(part: object) -> bool:
    """Whether it is a function or a class, not a constant."""
    return inspect.isclass(part) or inspect.isfunction(inspect.unwrap(part))  # type: ignore[arg-type]


PLACES = {
    "lr_callbacks": [*lr_callbacks.__all__],
    "lr_callbacks.demo": ["DigitsClassifier", "DigitsDataModule"],
    "lr_callbacks.callbacks.feedback": ["FeedbackOptions"],
    "lr_callbacks.core.durations": ["Duration"],
    "lr_callbacks.core.run_length": ["RunLength"],
    "lr_callbacks.core.schedule": ["LRSchedule", "ScheduleOptions", "lookahead"],
    "lr_callbacks.core.schedule_time": ["GroupRows", "ScheduleTime"],
    "lr_callbacks.core.timeline": ["Beginning", "Knot", "Timeline"],
    "lr_callbacks.attached": ["Attached"],
    "lr_callbacks.previews": ["Preview"],
    "lr_callbacks.range_test.settle": ["Trial"],
    "lr_callbacks.schedules.greedy": ["GreedyState"],
    "lr_callbacks.schedules.plateau": ["PlateauState"],
    "lr_callbacks.schedules": [name for name in schedules.__all__ if documented(getattr(schedules, name))],
    "lr_callbacks.sweep": ["SweepTable", "Row", "Outcome", "run_trial"],
}
"""What the reference must have, module by module."""
TARGETS = {name: f"{module}.{name}" for module, names in PLACES.items() for name in names}
OF_OTHERS = re.compile(r"[A-Z]\w*_\w+|LearningRateMonitor")
"""What begins with a capital in single backticks and is no class of ours: `T_0` and its like are arguments."""


def name_role(role: str, raw: str, text: str, *_: Any) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Single backticks in a docstring: a link where they hold a name of ours, else an argument or a word of code."""
    head, dot, rest = text.partition(".")
    ours = head in TARGETS or (head[:1].isupper() and not OF_OTHERS.fullmatch(head) and head.isidentifier())
    if not ours:
        return [nodes.literal(raw, text)], []
    target = TARGETS.get(head, f"lr_callbacks.{head}") + dot + rest  # one that is not there fails the build
    link = addnodes.pending_xref(raw, reftype="obj", refdomain="py", reftarget=target, refwarn=True)
    link += nodes.literal(raw, text)
    return [link], []


class Listed(SphinxDirective):
    """Document every name of a kind, so that a new one needs no entry."""

    def listed(self, kind: str, module: str, names: list[str]) -> list[nodes.Node]:
        """The names, each with what its docstring says."""
        return self.parse_text_to_nodes("\n\n".join(f".. auto{kind}:: {module}.{name}" for name in names))


class Schedules(SphinxDirective):
    """Every public callback with a schedule, in alphabetical order: formula, picture, docstring."""

    def run(self) -> list[nodes.Node]:
        """Find them."""
        public = {name: getattr(lr_callbacks, name) for name in sorted(lr_callbacks.__all__, key=str.lower)}
        kinds = {name: cls for name, cls in public.items() if inspect.isclass(cls) and issubclass(cls, LRCallback)}
        lines: list[str] = []
        for name in [name for name, cls in kinds.items() if cls.drives and cls != LRCallback]:
            shown = formulas.SHOWN[name]
            image = f".. image:: ../configs/pictures/{shown.picture}.svg"
            lines += [name, "-" * len(name), "", f".. math:: {shown.formula}", "", image]
            lines += [f"   :alt: LR over the run, as in configs/{shown.picture}.yaml", ""]
            lines += [f".. autoclass:: lr_callbacks.{name}", ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


class Factors(Listed):
    """Every pure function of `lr_callbacks.schedules`, and the classes of what some of them make."""

    def run(self) -> list[nodes.Node]:
        """Find them."""
        module, names = "lr_callbacks.schedules", PLACES["lr_callbacks.schedules"]
        classes = [name for name in names if inspect.isclass(getattr(schedules, name))]
        functions = [name for name in names if name not in classes]
        return self.listed("function", module, functions) + self.listed("class", module, classes)


class Commands(SphinxDirective):
    """The commands that LightningCLI lacks: sentence and flags as `lr-callbacks --help` prints them."""

    def run(self) -> list[nodes.Node]:
        """A list of flags for each command."""
        lines: list[str] = []
        for name, command in COMMANDS.items():
            told = docstring_parser.parse(inspect.getdoc(command) or "", docstring_parser.DocstringStyle.GOOGLE)
            lines += [f"``lr-callbacks {name}``", f"    {told.short_description}", ""]
            for param in told.params:
                found = inspect.signature(command).parameters[param.arg_name]
                if found.kind == inspect.Parameter.KEYWORD_ONLY:
                    dashed = param.arg_name.replace("_", "-")
                    flag = dashed if dashed in FLAGS.get(name, {}) else param.arg_name
                    text = " ".join((param.description or "").split())
                    if found.default not in (None, False) and "default" not in text.lower():
                        text += f" Default: ``{found.default}``."
                    lines += [f"    ``--{flag}``", f"        {text}", ""]
        return self.parse_text_to_nodes("\n".join(lines))


def require_all(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn, and so fail, if the reference lacks a name."""
    found = env.domains.python_domain.objects
    missing = [target for target in TARGETS.values() if target not in found]
    if missing:
        logging.getLogger(__name__).warning("the reference lacks %s", ", ".join(missing))


def setup(app: Sphinx) -> None:
    """Enter what this file defines."""
    formulas.register(app)
    app.add_role("name", name_role)
    app.add_directive("schedules", Schedules)
    app.add_directive("factors", Factors)
    app.add_directive("commands", Commands)
    app.connect("env-check-consistency", require_all)
