"""Optional dependencies: what is missing, and which extra brings it."""

from importlib.util import find_spec


def require_extra(extra: str, *modules: str, what: str) -> None:
    """Raise unless every module of an optional extra can be imported.

    Args:
        extra: The extra of `lr-callbacks` that installs the modules, such as "cli".
        modules: Names of top-level modules; they are looked for, not imported.
        what: What needs them, as the message shall call it.

    Raises:
        ModuleNotFoundError: If one is missing; the message says which, and how to install the extra.

    Example:
        >>> require_extra("cli", "json", what="this example")
        >>> require_extra("cli", "no_such_module", what="this example")
        Traceback (most recent call last):
        ModuleNotFoundError: this example needs no_such_module; install it with: pip install "lr-callbacks[cli]"
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ModuleNotFoundError(
            f"{what} needs {', '.join(missing)}; install {'it' if len(missing) == 1 else 'them'} "
            f'with: pip install "lr-callbacks[{extra}]"',
            name=missing[0],
        )
