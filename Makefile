# Everything runs in .venv. A stamp says what has been installed there, so a second call starts at once;
# a change of pyproject.toml or constraints.txt installs again.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip --disable-pip-version-check --no-input

# Idle OpenMP threads that spin take the core from those that work: on two busy cores a 512x512 eigenproblem goes from 0.2 s to 9 s and more.
export OMP_WAIT_POLICY := PASSIVE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-slow lint format types docs reference clean distclean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.stamp-core ## train on the digits inside scikit-learn, in a minute
	$(PY) examples/digits.py

# A process for each core up to four, each with one thread and the tests of whole files, which share what they train.
test: $(VENV)/.stamp-test ## run the tests; ARGS="-k name" passes words on to pytest
	OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

test-slow: $(VENV)/.stamp-test ## run the tests marked slow
	OMP_NUM_THREADS=1 $(PY) -m pytest -m slow $(ARGS)

lint: $(VENV)/.stamp-dev ## check format and style
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

format: $(VENV)/.stamp-dev ## put format and style right
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: $(VENV)/.stamp-dev ## check types
	$(PY) -m mypy

docs: $(VENV)/.stamp-dev ## build the site into site/; a broken link is an error
	$(PY) -m mkdocs build --strict --quiet

reference: $(VENV)/.stamp-core ## write docs/reference.md from the public names and their docstrings
	$(PY) tools/reference.py

clean: ## remove caches and built files; runs and .venv stay
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests examples benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv too
	rm -rf $(VENV)

$(VENV)/.stamp-venv:
	@command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3 demo" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("gansmith needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name a newer one, for example: make PYTHON=python3.12 demo" % tuple(v[:2]))'
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

# PyTorch alone and first: its build is then chosen by the pin, not by whatever else asks for torch.
$(VENV)/.stamp-core: $(VENV)/.stamp-venv pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt torch
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-core
	$(PIP) install -c constraints.txt -e '.[test]'
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-test
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@
