# One word per chore, the same here and in .ci/run.
#
#   make video    a venv, the package, and rushes.mp4 from a sample prompt
#   make test     everything that must hold: lint, types, tests with the real clients
#   make serve    the server on http://127.0.0.1:8000
#   make check    lint and types only (seconds)
#   make chaos    the long forms of what kills, stops and fills up; prints their figures (an hour)
#   make bench    the benchmarks of benchmarks/
#   make docs     what the code writes about itself into docs/reference
#   make clients  the Together clients of every generation, each in its own place
#   make clean    forget every venv, client and cache
#
# PYTHON=/path/to/python picks another interpreter, PROMPT="…" another first video.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

PROMPT ?= A penguin waddles across the snow while the camera slowly pans left
VIDEO  ?= rushes.mp4
PORT   ?= 8000

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check -q

# Each generation of the Together client asks for other paths and other versions of the same
# libraries, so each lives alone: .venv-clients/<version> for Python, .clients/ts for TypeScript.
TOGETHER_PY := 1.5.35 2.42.0 3.1.1
TOGETHER_TS := 0.52.0
# The open models' tests have an environment of their own: the other tests prove that nothing else needs torch.
TORCH := .venv-torch

# Tests run in an order that their tree draws: another one after every change, and the same wherever that tree is tested.
# ORDER=7 is another, ORDER=default a new one each time.
ORDER ?= $(shell tree=$$(git rev-parse -q --verify 'HEAD^{tree}' 2>/dev/null) && printf '%d' "0x$${tree::8}" || echo default)

CLIENT_STAMPS := $(TOGETHER_PY:%=.venv-clients/%/.installed) .clients/ts/.installed-$(TOGETHER_TS)

.PHONY: help video test serve check format chaos bench docs clients postgresql strace faketime clean

help:
	@sed -n '3,11s/^# //p' Makefile

video: $(VENV)/.installed
	$(BIN)/rushes generate "$(PROMPT)" -o "$(VIDEO)"

serve: $(VENV)/.installed
	$(BIN)/rushes serve --port $(PORT)

test: check clients postgresql strace $(TORCH)/.installed
	CLIENTS_REQUIRED=1 $(BIN)/python -m pytest --randomly-seed=$(ORDER)
	CLIENTS_REQUIRED=1 OPEN_MODELS_REQUIRED=1 OMP_NUM_THREADS=1 $(TORCH)/bin/python -m pytest --randomly-seed=$(ORDER) \
	    -n 2 --dist loadfile tests/open_models

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# CHAOS_SEEDS, CHAOS_ROUNDS and CHAOS_STORM_S (seconds) set other lengths.
chaos: $(VENV)/.installed-test postgresql strace faketime
	CHAOS=long CHAOS_SEEDS=$${CHAOS_SEEDS:-50000} PYTHONPATH=tests/chaos $(BIN)/python -m pytest -p long_forms \
	    tests/chaos tests/journeys/test_killed_workers.py tests/journeys/test_workers_that_wake_or_leave.py \
	    tests/unit/jobs/test_postgresql_killed.py tests/unit/events/test_webhooks.py tests/journeys/test_webhooks_arrive.py \
	    tests/journeys/test_restart.py

bench: $(VENV)/.installed-test
	@for file in benchmarks/[a-z]*.py; do \
	    module="benchmarks.$$(basename "$$file" .py)"; echo "== $$module"; $(BIN)/python -m "$$module"; \
	done

docs: $(VENV)/.installed
	$(BIN)/python docs/write_reference.py

clients: $(CLIENT_STAMPS)

# The job tests start a server of their own from its programs; the one that Debian starts beside it is not used.
postgresql:
	@if ! command -v initdb >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then \
	    if ! command -v apt-get >/dev/null; then echo "The tests need PostgreSQL: install it." >&2; exit 1; fi; \
	    sudo=""; if [ "$$(id -u)" != 0 ]; then sudo=sudo; fi; \
	    echo "installing postgresql"; \
	    $$sudo apt-get update -qq; DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends postgresql; \
	fi

# The one refuses calls in the system's place, the other tells another time. Where they are not to be had, what needs them
# is skipped.
strace faketime:
	@if ! command -v $@ >/dev/null && command -v apt-get >/dev/null; then \
	    sudo=""; if [ "$$(id -u)" != 0 ]; then sudo=sudo; fi; \
	    echo "installing $@"; \
	    $$sudo apt-get update -qq; DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $@; \
	fi

clean:
	rm -rf $(VENV) $(TORCH) .venv-clients .clients .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

# --- environments: a stamp per environment, renewed when pyproject.toml is newer -------------------

$(BIN)/python:
	@python="$${PYTHON:-}"; \
	for candidate in $${python:-python3.11 python3.12 python3.13 python3 python}; do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	    echo "Rushes needs Python 3.11 or newer, and found none on PATH." >&2; \
	    echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv) or say make PYTHON=/path/to/python." >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$found has no venv module. Debian and Ubuntu ship it apart: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$found" --version)"; "$$found" -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing rushes into $(VENV)"
	@$(PIP) install -e .
	@touch $@

# Dependency groups need pip 25.1; the pip inside a fresh venv is as old as its Python.
$(VENV)/.installed-test: $(VENV)/.installed
	@echo "installing what the tests need into $(VENV)"
	@$(PIP) install 'pip>=25.1'
	@$(PIP) install --group test
	@touch $@

# This very torch first: pip takes its build for CPUs wherever it is told of one, and the extra's range then stands.
$(TORCH)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing rushes[torch] and what its tests need into $(TORCH)"
	@$(BIN)/python -m venv $(TORCH)
	@$(TORCH)/bin/python -m pip --disable-pip-version-check -q install torch==2.13.0
	@$(TORCH)/bin/python -m pip --disable-pip-version-check -q install 'pip>=25.1'
	@$(TORCH)/bin/python -m pip --disable-pip-version-check -q install -e '.[torch]' --group test
	@touch $@

.venv-clients/%/.installed: | $(BIN)/python
	@echo "installing the Together client $* for Python"
	@rm -rf .venv-clients/$*
	@$(BIN)/python -m venv .venv-clients/$*
	@.venv-clients/$*/bin/python -m pip --disable-pip-version-check -q install together==$*
	@touch $@

.clients/ts/.installed-%:
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then \
	    if ! command -v apt-get >/dev/null; then echo "The tests need Node.js and npm: install them." >&2; exit 1; fi; \
	    sudo=""; if [ "$$(id -u)" != 0 ]; then sudo=sudo; fi; \
	    echo "installing nodejs and npm"; \
	    $$sudo apt-get update -qq; DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends nodejs npm; \
	fi
	@echo "installing the Together client $* for TypeScript"
	@rm -rf .clients/ts && mkdir -p .clients/ts
	@npm install --prefix .clients/ts --no-audit --no-fund --loglevel=error --ignore-scripts together-ai@$*
	@touch $@
