"""What is wrong with a --config is one line that names the file, the entry, what it must be and what was given."""

from pathlib import Path

import pytest
from test_cli_errors import fails

OPTIMIZER = """
model:
  class_path: DigitsClassifier
  init_args:
    optimizer:
      class_path: torch.optim.SGD
      init_args: {lr: x}
"""
CALLBACK = """
trainer:
  callbacks:
    - class_path: OneCycle
      init_args: {max_lr: high}
"""


@pytest.mark.parametrize(
    ("command", "text", "line"),
    [
        (
            "fit",
            "trainer:\n  max_epochs: 2\n   callbacks: [\n",
            "mapping values are not allowed in this context (line 3, column 13)",
        ),
        ("fit", "{a: b", "while parsing a flow mapping, did not find expected ',' or '}' (line 2, column 1)"),
        ("fit", "trainer:\n  max_epochs: many\n", "trainer.max_epochs must be int or null, got 'many'"),
        ("fit", "trainer:\n  epochs: 3\n", "Subcommand 'fit' does not accept option 'trainer.epochs'"),
        ("fit", "data:\n  init_args: {batch_size: x}\n", "data.batch_size must be int, got 'x'"),
        ("fit", OPTIMIZER, "model.optimizer.lr must be float or the import path of a class, got 'x'"),
        ("fit", CALLBACK, "trainer.callbacks.max_lr must be float or null, got 'high'"),
        ("sweep", "lr: [0.1, big]\n", "lr must be float, got 'big'"),
    ],
)
def test_an_error_in_a_file_is_a_line_that_names_the_file_and_the_entry(workplace, capsys, command, text, line):
    Path("mine.yaml").write_text(text)
    Path("sound.yaml").write_text("trainer:\n  max_epochs: 2\n")
    said = fails(capsys, command, "--config=mine.yaml", "--config=sound.yaml")
    assert said == f"error: mine.yaml: {line}\nAll options: lr-callbacks {command} --help\n"


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--trainer.max_epochs=many",), "trainer.max_epochs must be int or null, got 'many'"),
        (("--model.optimizer.lr=x",), "model.optimizer.lr must be float or the import path of a class, got 'x'"),
        (
            ("--trainer.callbacks+=OneCycle", "--trainer.callbacks.max_lr=high"),
            "trainer.callbacks.max_lr must be float or null, got 'high'",
        ),
    ],
)
def test_an_error_in_a_flag_blames_no_file(workplace, capsys, flags, line):
    Path("sound.yaml").write_text("trainer:\n  max_epochs: 2\n  callbacks: []\n")
    said = fails(capsys, "fit", "--config=sound.yaml", *flags)
    assert said == f"error: {line}\nAll options: lr-callbacks fit --help\n"
