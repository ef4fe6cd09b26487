# Two commands do everything: `make demo` and `make test`. Each installs what it needs into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup test check fix clean

setup: $(VENV)/.dev  ## .venv with the kaito command and the tools for development

$(VENV)/.dev: pyproject.toml scripts/preflight.py
	@$(PYTHON) scripts/preflight.py --disk-gib 1
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

test: $(VENV)/.dev  ## the whole suite
	$(BIN)/python -m pytest

check: $(VENV)/.dev  ## format, lint, types, import contracts
	$(BIN)/ruff format --check src tests scripts
	$(BIN)/ruff check src tests scripts
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev
	$(BIN)/ruff format src tests scripts
	$(BIN)/ruff check --fix src tests scripts

clean:
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
