"""Every public docstring has what its reader needs: arguments, errors, an example that runs, both ends."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

import docstring_parser
import pytest
from torch import Tensor

import lr_callbacks
from lr_callbacks import LRCallback, demo, schedules, sweep
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.run_length import RunLength
from lr_callbacks.core.schedule_time import GroupRows, ScheduleTime


def documented(part: object) -> bool:
    """Whether it is a function or a class, and no list of words."""
    return inspect.isclass(part) or inspect.isfunction(inspect.unwrap(part))


FACTORS = {name: getattr(schedules, name) for name in schedules.__all__ if callable(getattr(schedules, name))}
PUBLIC = {name: getattr(lr_callbacks, name) for name in lr_callbacks.__all__}
FOR_AUTHORS = (Duration, GroupRows, RunLength, ScheduleTime)
ALL = {
    **PUBLIC,
    **{name: part for name, part in FACTORS.items() if documented(part)},
    **{name: getattr(module, name) for module in (demo, sweep) for name in module.__all__},
    **{cls.__name__: cls for cls in FOR_AUTHORS},
}
SCHEDULES = {
    name: cls
    for name, cls in PUBLIC.items()
    if inspect.isclass(cls) and issubclass(cls, LRCallback) and cls.drives and cls is not LRCallback
}
CURVES = {**SCHEDULES, **{name: f for name, f in FACTORS.items() if name.endswith(("_factor", "_momentum"))}}
METHODS = {
    f"{name}.{method}": getattr(part, "fget", None) or getattr(part, "__func__", part)
    for name, cls in ALL.items()
    if inspect.isclass(cls)
    for method, part in vars(cls).items()
    if not method.startswith("_") and isinstance(part, property | classmethod | staticmethod | type(inspect.isclass))
}
CHECKS = {
    "require",
    "require_number",
    "require_int",
    "require_choice",
    "check_length",
    "parse",
    "require_extra",
    "unknown",
}
NOT_BY_TIME = ("LambdaFactor", "MultiplicativeFactor", "TorchScheduler")  # they count: a time means nothing to them
WITHOUT_LENGTHS = ("ReduceLROnPlateau", "GreedyLR", "LambdaFactor", "MultiplicativeFactor", "Noise", "UntunedWarmup")
HEADINGS = "Args|Attributes|Returns|Raises|Example|References"
LENGTH = re.compile(r"int \| str\b")


def sections(documented: object) -> dict[str, str]:
    """The text of a docstring under its headings; what stands before the first of them is under an empty one."""
    parts = re.split(rf"^({HEADINGS}):(?=$| )", inspect.getdoc(documented) or "", flags=re.M)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def described(documented: object) -> dict[str, str]:
    """Name of each argument that a docstring describes, and what it says of it."""
    found = docstring_parser.parse(inspect.getdoc(documented) or "", docstring_parser.DocstringStyle.GOOGLE).params
    return {param.arg_name.lstrip("*"): param.description or "" for param in found}


def can_raise(function: object, seen: frozenset[object] = frozenset()) -> bool:
    """Whether the body of a function raises, checks, or calls a function of the package that does."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            helper = getattr(function, "__globals__", {}).get(called)
            ours = inspect.isfunction(helper) and helper.__module__.startswith("lr_callbacks")
            if called in CHECKS or (ours and helper not in seen and can_raise(helper, seen | {function, helper})):
                return True
    return False


def makers(cls: type) -> list[object]:
    """The functions that run when an instance is made."""
    return [vars(base)[name] for base in cls.__mro__ for name in ("__init__", "__post_init__") if name in vars(base)]


def test_what_is_said_of_all_is_said_of_something():
    assert len(SCHEDULES) >= 18
    assert len(CURVES) >= 30
    assert len(ALL) >= 55
    assert len(METHODS) >= 80
    assert {"from_dict", "parse", "best"} <= {name.split(".")[1] for name in METHODS if can_raise(METHODS[name])}


@pytest.mark.parametrize("name", ALL)
def test_a_public_docstring_begins_with_one_sentence(name):
    first, *rest = (inspect.getdoc(ALL[name]) or "").splitlines()
    assert first.endswith((".", ":")), first
    assert not rest or rest[0] == "", f"an empty line must follow: {first}"


@pytest.mark.parametrize("name", ALL)
def test_a_public_docstring_describes_each_argument_and_no_other(name):
    expected = [parameter for parameter in inspect.signature(ALL[name]).parameters if parameter != "self"]
    told = described(ALL[name])
    attributes = sections(ALL[name]).get("Attributes", "")
    assert [argument for argument in told if argument in expected] == expected
    assert [argument for argument in told if argument not in expected and f"{argument}:" not in attributes] == []
    assert all(text.endswith((".", ".)")) for text in told.values()), told


@pytest.mark.parametrize("name", ALL)
def test_a_public_docstring_says_what_can_be_raised(name):
    functions = makers(ALL[name]) if inspect.isclass(ALL[name]) else [ALL[name]]
    if any(can_raise(function) for function in functions):
        assert re.search(r"^\s+\w+(Error|Exception): \S", sections(ALL[name]).get("Raises", ""), re.M)


@pytest.mark.parametrize("name", ALL)
def test_a_public_docstring_has_an_example_that_runs(name):
    assert ">>> " in sections(ALL[name]).get("Example", "")


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if can_raise(method)])
def test_a_method_that_raises_says_so(name):
    text = inspect.getdoc(METHODS[name]) or ""
    owner, _, method = name.partition(".")
    assert "Raises:" in text or any(method in vars(base) for base in ALL[owner].__mro__[1:])  # said of the one above it


@pytest.mark.parametrize("name", CURVES)
def test_a_schedule_gives_its_formula_both_ends_and_its_source(name):
    parts = {heading: " ".join(text.split()) for heading, text in sections(CURVES[name]).items()}
    assert re.search(r"``[^`]*[a-z_)\d] ?(\*\*|[-+*/(<]) ?[^`]*``|`[a-z_]+` to the number", parts[""]), "no formula"
    assert re.search(r"[Ff]irst (and last )?(step|value)", parts[""]), "not said what it begins with"
    assert re.search(r"Reached|no end|[Ee]nd value|End:|[Ll]ast|on to the end", parts[""]), "not said where it ends"
    assert re.search(r"arXiv:\d{4}\.\d{5}|``\w+``|TensorFlow", parts.get("References", "")), "no source"


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_length_is_described_in_all_its_units(name):
    annotations = {key: str(value.annotation) for key, value in inspect.signature(SCHEDULES[name]).parameters.items()}
    lengths = [key for key, annotation in annotations.items() if LENGTH.search(annotation) and key != "groups"]
    units = ["optimizer steps", "epochs", "%", *(["min"] if name not in NOT_BY_TIME else [])]
    told = {key: " ".join(text.split()) for key, text in described(SCHEDULES[name]).items()}
    for length in lengths:
        if "same units" not in told[length]:
            assert [unit for unit in units if unit not in told[length]] == [], f"{length}: {told[length]}"
    assert lengths or name in WITHOUT_LENGTHS


@pytest.mark.parametrize("name", ALL)
def test_a_tensor_that_is_given_back_is_described_by_its_type_and_shape(name):
    returns = inspect.signature(ALL[name]).return_annotation
    if returns in (Tensor, "Tensor"):
        assert re.search(r"float64 of shape \(", sections(ALL[name])["Returns"])
