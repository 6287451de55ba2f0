# Each target sets up what it needs in .venv and says so; a second run sets up nothing.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
SITE   := $(VENV)/.site-ready
FULL   := $(VENV)/.full-ready
SUDO   := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)
export NO_MKDOCS_2_WARNING = 1

.PHONY: help serve site check test verify bench clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

serve: $(SITE)  ## write: the site at a local address, reloaded at every change; needs no torch
	$(BIN)/mkdocs serve

site: $(SITE)  ## build the site into site/; a broken link fails
	$(BIN)/mkdocs build --strict --quiet

check: $(SITE)  ## what is wrong in notes, library, notebooks, kernels and receipts
	$(BIN)/kb check

verify: $(FULL)  ## run what is stale: notebooks and kernels, on the CPU
	$(BIN)/kb verify

test: $(FULL) chromium  ## everything: check, lint, types, tests, a strict build
	$(BIN)/kb check
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/pytest --quiet --numprocesses 2 --dist loadfile

clean:  ## forget what was built; keeps .venv
	rm -rf site build .cache .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "setting up $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

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
