# Everything that is run on the project, by the tools of the environment that is active. `make` alone checks it all.
.PHONY: all lint types tests packaging bench pictures docs oldest-torch

all: lint types docs packaging tests

lint:
	ruff check .
	ruff format --check .

types:
	mypy

tests:
	pytest

# The oldest torch that pyproject.toml allows, in an environment of its own (5 GB, which are deleted again).
oldest-torch:
	bash tests/helpers/oldest_torch.sh

packaging:
	pytest tests/meta/test_packaging.py -m packaging -n 0

bench:
	python benchmarks/overhead.py
	python benchmarks/startup.py

pictures:
	python configs/draw_pictures.py

docs:
	python -m sphinx --builder html --fresh-env --fail-on-warning --keep-going --nitpicky --quiet docs site
