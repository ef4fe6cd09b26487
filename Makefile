# Two commands do everything: `make demo` and `make test`. Each installs what it needs into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo setup test check generate fix bench soak fuzz clean

demo: $(VENV)/.serve  ## a cluster, a manifest, a model, an answer; then all is cleaned up
	@scripts/demo.sh

setup: $(VENV)/.dev  ## .venv with the kaito command and the tools for development

$(VENV)/.core: pyproject.toml scripts/preflight.py
	@$(PYTHON) scripts/preflight.py --disk-gib 1
	@echo "==> installing kaito into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.serve: $(VENV)/.core scripts/install_serve.py
	@$(PYTHON) scripts/preflight.py --disk-gib 6
	@$(BIN)/python scripts/install_serve.py
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@echo "==> installing the tools for development"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# Helm's engine reads the environment that the process began with: its cache stays in the clone.
test: export KUBECACHEDIR := $(CURDIR)/.pytest_cache/kube
test: $(VENV)/.dev $(VENV)/.serve  ## the whole suite
	$(BIN)/python -m pytest

check: $(VENV)/.dev  ## format, lint, types, import contracts, generated files
	$(BIN)/ruff format --check src tests scripts benchmarks
	$(BIN)/ruff check src tests scripts benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_docs.py --check

generate: $(VENV)/.dev  ## docs/cli.md, config/crds and all else that is generated and committed
	$(BIN)/python scripts/generate_docs.py

fix: $(VENV)/.dev
	$(BIN)/ruff format src tests scripts benchmarks
	$(BIN)/ruff check --fix src tests scripts benchmarks

bench: $(VENV)/.dev $(VENV)/.serve  ## the numbers, written to benchmarks/results
	$(BIN)/python -m benchmarks

soak: $(VENV)/.dev  ## long fault tests: kill points, restarts
	$(BIN)/python -m pytest -m soak -s --timeout 3600

fuzz: $(VENV)/.dev  ## what hostile objects do to admission and conversion: more than 100,000 cases, counted
	KAITO_FUZZ_FACTOR=70 $(BIN)/python -m pytest tests/fuzz --timeout 3600

clean:
	rm -rf $(VENV) .demo build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
