# `make demo` and `make test` each work alone on a fresh machine: they set up .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# tests that run at the same time; 0 for one after the other
TEST_WORKERS ?= 2

.PHONY: help setup demo app screenshots test lint bench model clean

help:
	@echo "make demo   acquire and classify two phantom sections on Micro-Manager's demo camera"
	@echo "make app    open the desktop app on the demo rig"
	@echo "make test   run the tests          make lint   ruff, mypy, import-linter"
	@echo "make bench  run the benchmarks     make model  train the shipped model again, into retrained/"
	@echo "make screenshots  draw the pictures of the app in docs/screenshots"
	@echo "make setup  only install into $(VENV)"

setup: $(STAMP)

# virtualenv, in a folder of its own, is the fallback for a Python without ensurepip (Debian's without python3-venv)
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "HCC-Scope needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		$(PYTHON) -m pip install --quiet --target $(VENV)-bootstrap virtualenv && \
		PYTHONPATH=$(VENV)-bootstrap $(PYTHON) -m virtualenv --quiet $(VENV) && rm -rf $(VENV)-bootstrap; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

demo: $(STAMP)
	$(BIN)/hcc-scope demo

app: $(STAMP)
	$(BIN)/hcc-scope app --rig demo

# on a screen of its own if there is a virtual one, else on none
screenshots: $(STAMP)
	run=$$(command -v xvfb-run) && run="$$run -a -s '-screen 0 1920x1200x24'" || export QT_QPA_PLATFORM=offscreen; \
		eval $$run $(BIN)/python -m benchmarks.screenshots docs/screenshots

test: $(STAMP)
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# the peers are an extra; where they cannot be had, the comparisons with them are left out
bench: $(STAMP)
	-$(BIN)/python -m pip install --quiet --editable ".[dev,bench]"
	$(BIN)/hcc-scope bench

# some quarter of an hour on two cores: both protocols and both controls on 8 phantom animals, then one training on all
model: $(STAMP)
	$(BIN)/hcc-scope phantom cohort --out retrained/cohort --animals-per-class 4 --images-per-class 16 \
		--image-px 2048 --seed 2019
	$(BIN)/hcc-scope evaluate retrained/cohort/manifest.csv --out retrained/evaluation --epochs 7
	$(BIN)/hcc-scope train retrained/cohort/manifest.csv --out retrained/run --name phantom-meng2019 \
		--evaluation retrained/evaluation
	$(BIN)/hcc-scope models export retrained/run --out retrained --licence BSD-3-Clause

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis .pytest_cache
