# Two commands do everything: `make up` starts a cluster, `make test` tests the project.
VENV   ?= .venv
PYTHON := $(VENV)/bin/python
STAMP  := $(VENV)/.installed
NODES  ?= 1
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help up down delete docker kubectl test unit check format bench clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## install what is missing, start a cluster, wait until it is ready (ARGS="--nodes 2" …)
	@scripts/install up "$(VENV)"
	@$(PYTHON) -m kubepy up $(ARGS)

down: ## stop the cluster, keep its state
	@$(PYTHON) -m kubepy down

delete: ## remove the cluster, its state and its containers
	@$(PYTHON) -m kubepy delete

docker: ## install the Docker engine from the distribution and start it (as root)
	@scripts/install docker "$(VENV)"

kubectl: ## put kubectl and helm into $(VENV)/bin
	@scripts/install kubectl "$(VENV)"

test: ## check, then run every test with real SQLite, etcd, Docker and kubectl
	@scripts/install test "$(VENV)"
	@$(MAKE) --no-print-directory check
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PYTHON) -m pytest -n 2 tests/unit
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PYTHON) -m pytest tests --ignore=tests/unit --ignore=tests/bench --durations=15

unit: $(STAMP) ## run the unit tests alone (seconds)
	@$(PYTHON) -m pytest tests/unit $(ARGS)

check: $(STAMP) ## types, lint, format and import rules
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check -q . || { echo "run: make format"; exit 1; }
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

format: $(STAMP) ## rewrite the code in the project's format
	@$(VENV)/bin/ruff check --fix -q .
	@$(VENV)/bin/ruff format -q .

bench: ## measure the rows of the performance table and compare with earlier runs
	@scripts/install bench "$(VENV)"
	@$(PYTHON) -m tests.bench $(ARGS)

$(STAMP): pyproject.toml
	@scripts/install dev "$(VENV)"

clean: ## remove the Python environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
