.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Write compiled modules, whatever the environment says: dozens of servers are started.
export PYTHONDONTWRITEBYTECODE :=

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'
.PHONY: help run test suite tools proofs torture outages soak model mutants house matrix audit fuzz bench pictures lint types browser wrk lock keep clean

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.x")'
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing: apt install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.runtime: requirements.txt | $(VENV)/.made
	@echo "Installing what the platform needs into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.txt
	@touch $@

$(VENV)/.tests: tests/requirements.txt | $(VENV)/.made
	@echo "Installing what the tests need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement tests/requirements.txt
	@touch $@ $(VENV)/.runtime

run: $(VENV)/.runtime ## set up everything and serve API, admin and docs on http://127.0.0.1:4000 (PORT, HOST, WORKERS)
	@exec $(BIN)/python -m pmo.run.launch

test: lint browser tools ## set up everything, then lint, check types and import rules, and test on a real PostgreSQL and Valkey (ARGS)
	@$(MAKE) --no-print-directory --jobs=2 types suite
	@$(if $(WITHOUT_BROWSER),echo "Left out: the browser tests. $(HOW_TO_HAVE_CHROMIUM)")

suite: $(VENV)/.tests
	$(BIN)/python -m pytest -n 4 --dist worksteal -m "not proof" $(if $(WITHOUT_BROWSER),--ignore=tests/browser) $(ARGS)

proofs: $(VENV)/.tests browser ## what takes too long for `make test`: the tests marked `proof`, the widest model, torture on every topology
	FUZZ_INPUTS=50 INTERLEAVINGS_EXAMPLES=1000 $(BIN)/python -m pytest -n 2 --dist worksteal -m "proof or fuzz" $(if $(WITHOUT_BROWSER),--ignore=tests/browser) $(ARGS)
	$(MAKE) --no-print-directory model
	for topology in single sentinel cluster; do $(MAKE) --no-print-directory torture ARGS="--topology $$topology" || exit 1; done

lint: $(VENV)/.tests ## ruff, import rules, and a secret scan of files and history
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/kingfisher scan . --no-validate --no-update-check --quiet

types: $(VENV)/.tests ## mypy, strict for cache_layer
	$(BIN)/mypy

CHROMIUM := chromium-headless-shell fonts-dejavu-core
HAS_CHROMIUM := command -v chromium-headless-shell || command -v chromium
HOW_TO_HAVE_CHROMIUM := They need Chromium: apt install $(CHROMIUM)
WITHOUT_BROWSER = $(if $(PMO_NO_BROWSER),yes,$(shell { $(HAS_CHROMIUM); } >/dev/null 2>&1 || echo yes))
browser: ## install Chromium for the browser tests if it is missing (as root on Debian); without it they are skipped, or fail if CI=true
	@if [ -n "$(PMO_NO_BROWSER)" ] || $(HAS_CHROMIUM); then exit 0; fi >/dev/null; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "Installing Chromium for the browser tests ..."; \
	{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $(CHROMIUM); } >/dev/null && exit 0; fi; \
	if [ "$(CI)" = true ]; then echo "The browser tests can't be run. $(HOW_TO_HAVE_CHROMIUM). Or leave them out: PMO_NO_BROWSER=1 make test"; exit 1; fi

# Downloaded and unpacked, not installed: nothing is started, and root is not needed.
UNPACK := apt-get -qq download prometheus nginx && for file in *.deb; do dpkg-deb -x $$file ..; done
tools: $(VENV)/.tests ## promtool and nginx from Debian's packages, into .venv/tools, for tests that are skipped without them
	@if command -v promtool && command -v nginx; then exit 0; fi >/dev/null; \
	if [ -e $(VENV)/tools/usr/bin/promtool ] && [ -e $(VENV)/tools/usr/sbin/nginx ]; then exit 0; fi; \
	mkdir -p $(VENV)/tools/packages && cd $(VENV)/tools/packages && \
	{ { $(UNPACK); } >/dev/null 2>&1 || { apt-get -qq update && $(UNPACK); } >/dev/null 2>&1; } \
	|| echo "promtool and nginx can't be had here: the tests that need them are left out"

torture: $(VENV)/.tests ## servers under load and faults, judging every read (ARGS="--seconds 60 --faults all --topology cluster")
	$(BIN)/python -m tests.torture $(ARGS)

outages: $(VENV)/.tests ## make Redis and PostgreSQL fail in every combination; writes docs/outages.md (ARGS="--redis hanging")
	$(BIN)/python -m tests.outages $(ARGS)

soak: $(VENV)/.tests ## mixed traffic at saturation, beside clients that stall or come in thousands (ARGS="--seconds 600 --nginx")
	$(BIN)/python -m tests.soak $(ARGS)

model: $(VENV)/.tests ## search every history of the coherence protocol, in the widest scopes, for a stale read
	$(BIN)/python -m tests.model

# In a separate folder: it brings setproctitle, with which Granian would rename its workers.
$(VENV)/mutants: tests/mutants/requirements.txt | $(VENV)/.tests
	@echo "Installing the tester of mutants into $@ ..."
	@rm -rf $@ && $(BIN)/python -m pip install --quiet --require-hashes --no-deps --target $@ --requirement tests/mutants/requirements.txt

mutants: $(VENV)/mutants ## change the product in one small place at a time, and list what no test notices (ARGS="--seconds 600 cache_layer/memory")
	@PYTHONPATH=$(VENV)/mutants $(BIN)/python -m tests.mutants $(ARGS)

house: $(VENV)/.tests ## measure how big the project is, and how its parts depend on each other
	@$(BIN)/python -m tests.house

matrix: $(VENV)/.tests ## run the suite on every supported Python, Django, PostgreSQL, Redis and Valkey found here (ARGS="--list")
	$(BIN)/python -m tests.matrix $(ARGS)

wrk:
	@if command -v wrk >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then exit 0; fi; \
	echo "Installing wrk, which makes the load ..."; \
	{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends wrk; } >/dev/null \
	|| echo "wrk could not be installed: a client of our own makes the load"

audit: $(VENV)/.tests ## look for known vulnerabilities in what is installed; fails too if the advisories can't be fetched
	@for file in deploy/requirements.txt tests/requirements.txt; do \
	$(BIN)/pip-audit --strict --disable-pip --requirement $$file \
	|| { echo "$$file: vulnerable, or not audited, as said above"; exit 1; }; done

fuzz: $(VENV)/.tests ## try inputs from schemathesis and hypothesis, many more than in the tests (FUZZ_INPUTS=1000)
	FUZZ_INPUTS=$(or $(FUZZ_INPUTS),1000) $(BIN)/python -m pytest --hypothesis-show-statistics -m fuzz $(ARGS)

bench: $(VENV)/.tests wrk ## compare with what others use, in one run; writes docs/benchmarks.md (ARGS="--only throughput")
	$(BIN)/python -m tests.benchmarks $(ARGS)

pictures: CI := true
pictures: $(VENV)/.tests browser ## take the screenshots in docs/images of a platform in use (ARGS="--seconds 180")
	$(BIN)/python -m tests.pictures $(ARGS)

PIN := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
COMPILE := $(PIN) pyproject.toml --extra metrics --extra zstd --group platform
lock: $(VENV)/.tests ## compile pyproject.toml into the four pinned requirement files (UPGRADE=--upgrade for newer versions)
	$(COMPILE) $(UPGRADE) --group embedded --output-file requirements.txt
	$(COMPILE) $(UPGRADE) --group embedded --group dev --constraint requirements.txt --output-file tests/requirements.txt
	$(COMPILE) $(UPGRADE) --constraint requirements.txt --output-file deploy/requirements.txt
	$(PIN) $(UPGRADE) --group pyproject.toml:mutants --constraint tests/requirements.txt --output-file tests/mutants/requirements.txt

PRODUCT := manage.py pyproject.toml pmo entities cache_layer templates
keep: ## store a release's code, without static files, to test upgrades from it (RELEASE=1.1.0, its tag or commit)
	@version=$$(git show $(or $(RELEASE),$(error RELEASE is missing)):pyproject.toml | sed -n 's/^version = "\(.*\)"/\1/p') && test "$$version" && \
	git archive --output=tests/upgrade/$$version.tar $(RELEASE) $(PRODUCT) ':(exclude)entities/static' && \
	rm -f tests/upgrade/*.xz && xz -9e tests/upgrade/$$version.tar && ls tests/upgrade/*.xz

clean: ## remove the environment, the caches and the data of the embedded engines
	rm -rf $(VENV) .data .matrix .mypy_cache .ruff_cache .pytest_cache .hypothesis staticfiles tests/benchmarks/node/node_modules
