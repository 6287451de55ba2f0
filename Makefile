# Each target sets up what it needs in .venv and says so; a second run sets up nothing.
PYTHON ?= python3
DEVICE ?= cpu
VENV   := .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
SITE   := $(VENV)/.site-ready
FULL   := $(VENV)/.full-ready
LIGHTHOUSE := build/lighthouse/node_modules/.bin/lighthouse
SUDO   := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
# PYTHON is a command, or for the wheelhouse another machine's version.
MAKES_VENV = $(if $(filter 3.%,$(PYTHON)),python3,$(PYTHON))
export NO_MKDOCS_2_WARNING = 1

.PHONY: help serve site check verify compare newest evidence finished links bench lighthouse starter wheelhouse test clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 17

serve: $(SITE)  ## write: the site at a local address, reloaded at every change; needs no torch
	$(BIN)/mkdocs serve

site: $(SITE)  ## build the site into site/; a broken link fails
	$(BIN)/mkdocs build --strict --quiet

check: $(SITE)  ## what is wrong in notes, library, notebooks, kernels and receipts
	$(BIN)/kb check

verify: $(FULL)  ## run what is stale: notebooks and kernels, on the CPU; DEVICE=cuda for a GPU
	$(BIN)/kb verify --device $(DEVICE)

compare: $(FULL)  ## rerun all on the CPU, write nothing, fail where a receipt differs; SHARD=1/4 for a part
	$(BIN)/kb verify --compare --all $(if $(SHARD),--shard $(SHARD))

newest: $(VENV)/bin/python  ## the same under the newest torch, triton and all else, not the tested versions
	@rm -rf build/newest
	@$(BIN)/python -m venv build/newest
	@build/newest/bin/python -m pip --disable-pip-version-check --quiet install --editable '.[run]'
	@build/newest/bin/python -m pip list --format freeze | grep -E '^(torch|triton|numpy)='
	@build/newest/bin/kb verify --compare --all $(if $(SHARD),--shard $(SHARD))

evidence: $(FULL)  ## as verify, and keep what it says; `make finished` then says how it went
	@rm -rf build/evidence && mkdir -p build/evidence
	$(BIN)/kb verify --device $(DEVICE) --format json | tee build/evidence/verify.jsonl

finished:  ## the new receipts of that run, and its in-toto test result, in build/evidence; fails if the run did
	@mkdir -p build/evidence/receipts
	@cd notebooks/receipts && git ls-files -z --modified --others . | xargs -0 -r cp --parents -t ../../build/evidence/receipts
	$(BIN)/python scripts/ci/test_result.py build/evidence/verify.jsonl build/evidence/test-result.json

links: $(FULL)  ## whether links that lead elsewhere still do; never part of the tests
	$(BIN)/mkdocs build --strict --quiet
	$(BIN)/linkchecker --config scripts/ci/linkcheckerrc site/

bench: $(FULL)  ## what running notebooks, and the author's commands, cost beside their goals; half an hour
	@$(PIP) --editable '.[bench]'
	$(BIN)/python scripts/benchmarks/verify.py
	$(BIN)/python scripts/benchmarks/desk.py

starter: $(FULL)  ## renew the receipts of the examples that `kb init` lays down
	$(BIN)/python scripts/ci/starter.py

lighthouse: $(SITE)  ## what a phone on slow 4G pays for a page: scores, paint, weight; needs Node.js and Chromium; ten minutes
	$(BIN)/mkdocs build --strict --quiet
	@test -x $(LIGHTHOUSE) || npm install --prefix build/lighthouse --no-audit --no-fund --loglevel error lighthouse@12.8.2
	PYTHONPATH=scripts $(BIN)/python scripts/benchmarks/site.py site --lighthouse $(LIGHTHOUSE)

wheelhouse: $(SITE)  ## what a node without a network needs for `kb verify`, in build/wheelhouse; PYTHON=3.12 is the node's
	@rm -rf build/wheelhouse
	$(BIN)/python scripts/ci/wheelhouse.py build/wheelhouse $(filter 3.%,$(PYTHON))
	@$(BIN)/python -m pip --disable-pip-version-check --quiet wheel --no-deps --wheel-dir build/wheelhouse .
	@echo "build/wheelhouse: $$(ls build/wheelhouse | wc -l) wheels, $$(du -sh build/wheelhouse | cut -f1)"

test: $(FULL) chromium  ## everything: check, lint, types, tests, a strict build
	$(BIN)/kb check
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/pytest --quiet --numprocesses 2 --dist loadfile

clean:  ## forget what was built; keeps .venv
	rm -rf site build .cache .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@$(MAKES_VENV) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(MAKES_VENV) is older. Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV) with $$($(MAKES_VENV) --version)"
	@$(MAKES_VENV) -m venv $(VENV)

$(SITE): $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing the site's packages (MkDocs and friends, about 250 MB; no torch)"
	@$(PIP) --editable '.[site]'
	@touch $@

$(FULL): $(SITE)
	@echo "installing what runs notebooks and tests (torch for the CPU, triton, Jupyter; about 2 GB)"
	@$(PIP) torch==$(shell sed -n 's/^torch==//p' constraints.txt)
	@$(PIP) --editable '.[site,run,cluster,dev]'
	@touch $@

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  command -v apt-get >/dev/null || { echo "the tests open pages in Chromium: please install it, then run this again"; exit 1; }; \
	  echo "installing Debian's chromium, in which the tests open pages"; \
	  $(SUDO) apt-get -qq update && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get -qq install -y --no-install-recommends chromium >/dev/null; }
