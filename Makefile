# The checks of the project, with the tools of the active environment. `make` alone runs all that `all` lists.
.PHONY: all lint types tests packaging bench pictures docs oldest-torch

all: lint types docs packaging tests

lint:
	ruff check .
	ruff format --check .

types:
	mypy

tests:
	pytest

# The oldest torch that pyproject.toml allows, in a separate environment (5 GB, deleted afterwards).
oldest-torch:
	bash tests/helpers/oldest_torch.sh

packaging:
	pytest tests/meta/test_packaging.py -m packaging -n 0

bench:
	python benchmarks/overhead.py
	python benchmarks/startup.py

pictures:
	python configs/draw_pictures.py
	python docs/draw_overviews.py
	python docs/draw_concepts.py

docs:
	python -m sphinx --builder html --fresh-env --fail-on-warning --keep-going --nitpicky --quiet docs site
