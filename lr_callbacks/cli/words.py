"""Pure: the words of a command line before they are parsed."""

from __future__ import annotations

from collections.abc import Sequence


def with_underscores(words: Sequence[str]) -> list[str]:
    """Write the names of options with `_`, so that `--max-lr` means `--max_lr`.

    Example:
        >>> with_underscores(["range-test", "--num-steps=50", "--model.batch-size", "a-b", "--lr", "-1"])
        ['range-test', '--num_steps=50', '--model.batch_size', 'a-b', '--lr', '-1']
    """
    return [_with_underscores(word) for word in words]


def _with_underscores(word: str) -> str:
    if not word.startswith("--"):
        return word
    option, equals, value = word[2:].partition("=")
    return f"--{option.replace('-', '_')}{equals}{value}"


def without_checkpoint(words: Sequence[str]) -> list[str]:
    """A command line without the option that names a checkpoint.

    Example:
        >>> without_checkpoint(["fit", "--ckpt_path", "a.ckpt", "--name=x", "--ckpt_path=b.ckpt"])
        ['fit', '--name=x']
    """
    kept, left = [], iter(words)
    for word in left:
        option, equals, _ = word.partition("=")
        if option != "--ckpt_path":
            kept.append(word)
        elif not equals:
            next(left, None)
    return kept


def one_by_one(words: list[str]) -> list[list[str]]:
    """The command line once for each of its configurations, with that one alone, if there are several.

    Example:
        >>> one_by_one(["plot", "--config", "a.yaml", "--log=true", "--config=b.yaml"])
        [['plot', '--log=true', '--config=a.yaml'], ['plot', '--log=true', '--config=b.yaml']]
        >>> one_by_one(["plot", "--log=true"])
        [['plot', '--log=true']]
    """
    configs, rest, left = [], [], iter(words)
    for word in left:
        if word in ("--config", "-c"):
            configs.append(next(left, ""))
        elif word.startswith("--config="):
            configs.append(word.partition("=")[2])
        else:
            rest.append(word)
    return [[*rest, f"--config={config}"] for config in configs] if len(configs) > 1 else [words]
