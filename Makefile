.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'
.PHONY: help run test lint types lock clean

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.x")'
	@$(PYTHON) -m venv $(VENV) || { echo "the venv module is missing: apt install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.txt
	@touch $@

$(VENV)/.tests: tests/requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes --requirement tests/requirements.txt
	@touch $@ $(VENV)/.runtime

run: $(VENV)/.runtime ## set up everything and serve API, admin and docs on http://127.0.0.1:4000 (PORT, HOST, WORKERS)
	@exec $(BIN)/python -m pmo.launch

test: lint types ## set up everything; lint, types, import rules and all tests on a real PostgreSQL and Valkey
	$(BIN)/python -m pytest -n 2 $(ARGS)

lint: $(VENV)/.tests ## ruff and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.tests ## mypy, strict for cache_layer
	$(BIN)/mypy

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml
lock: $(VENV)/.tests ## compile pyproject.toml into the three pinned requirement files (UPGRADE=--upgrade for newer versions)
	$(COMPILE) $(UPGRADE) --extra embedded --output-file requirements.txt
	$(COMPILE) $(UPGRADE) --extra embedded --extra dev --constraint requirements.txt --output-file tests/requirements.txt
	$(COMPILE) $(UPGRADE) --constraint requirements.txt --output-file deploy/requirements.txt

clean: ## remove the environment, the caches and the data of the embedded servers
	rm -rf $(VENV) .data .mypy_cache .ruff_cache .pytest_cache .hypothesis staticfiles
