# `make demo` and `make test` do all set-up themselves, each in a virtual environment of its own.
PYTHON ?= python3
PIP = -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-core bench prove prove-full lint types unit unit-core unit-torch clean

demo: .venv-demo/ready
	rm -rf imgstage-demo
	.venv-demo/bin/imgstage demo imgstage-demo

test: lint types unit

# The tests that need no PyTorch.
test-core: .venv-core/ready
	.venv-core/bin/pytest

# Tables in README; half an hour, best on a machine that does nothing else.
bench: .venv/ready
	.venv/bin/python -m benchmarks.start
	.venv/bin/python -m benchmarks.scan
	.venv/bin/python -m benchmarks.moves
	.venv/bin/python -m benchmarks.resize
	.venv/bin/python -m benchmarks.match
	.venv/bin/python -m benchmarks.assign
	.venv/bin/python -m benchmarks.loader
	.venv/bin/python -m benchmarks.steps
	.venv/bin/python -m benchmarks.memory
	.venv/bin/python -m benchmarks.play
	.venv/bin/python -m benchmarks.png

# Every single fault, double faults, a second hand, histories: README's tables; most of an hour, as root.
prove: .venv/ready
	.venv/bin/python -m proof

# Also power cuts, and mutants of the journal.
prove-full: .venv/ready
	.venv/bin/python -m proof --full

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/ready
	.venv/bin/mypy

# PyTorch in a process makes each of the thousands of forks of the proof slow: so its tests have one of their own.
TORCH = tests/training tests/networks tests/memory tests/play
# Each runs on a core of its own.
unit: .venv/ready
	$(MAKE) -j2 --output-sync=target unit-core unit-torch

unit-core:
	.venv/bin/pytest $(addprefix --ignore ,$(TORCH))

unit-torch:
	.venv/bin/pytest $(TORCH)

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP) -e '.[dev,dev-torch]'
	@.venv/bin/python $(PIP) pdqhash || echo 'pdqhash needs a C++ compiler; the tests that compare with it are skipped'
	touch $@

.venv-core/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-core
	.venv-core/bin/python $(PIP) -e '.[dev]'
	touch $@

.venv-demo/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python $(PIP) -e '.[demo]'
	touch $@

clean:
	rm -rf .venv .venv-core .venv-demo imgstage-demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
