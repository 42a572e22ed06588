# `make demo` and `make test` each work alone on a fresh machine: they set up .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# the versions that the tests passed with; empty for the newest that are allowed
CONSTRAINTS ?= constraints.txt
PIP_INSTALL = $(BIN)/python -m pip install --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
# tests that run at the same time; 0 for one after the other. One more than two cores: some wait for time-outs and kills
TEST_WORKERS ?= 3
RIG ?= demo

# where it is set (as in many containers), each of the tests' processes would compile the whole program again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo app screenshots test lint docs bench model schema constraints clean

help:
	@echo "make demo   acquire and classify two phantom sections on Micro-Manager's demo camera"
	@echo "make test   run the tests"
	@echo "make app    open the desktop app on the demo rig; RIG=demo-by-hand: a stand that is moved by hand"
	@echo "make setup  look for what pip cannot bring, and install into $(VENV)"
	@echo "make lint   ruff, mypy, import-linter      make docs   build the documentation into site"
	@echo "make bench  run the benchmarks             make model  train a successor of the shipped model, into retrained"
	@echo "make screenshots  draw the pictures of the app in docs/screenshots"
	@echo "make schema  write the JSON Schema of rig files anew, after a change to their keys"
	@echo "make constraints  write constraints.txt anew: the newest versions that are allowed"

setup:
	@$(PYTHON) -m hcc_scope.system_check --venv $(VENV)
	@$(MAKE) --no-print-directory --silent $(STAMP)
	@echo "HCC-Scope is installed in $(VENV): make demo shows it, make help lists what else there is."

# virtualenv, in a folder of its own, is the fallback for a Python without ensurepip (Debian's without python3-venv)
$(STAMP): pyproject.toml $(wildcard $(CONSTRAINTS))
	@$(PYTHON) -m hcc_scope.system_check --venv $(VENV) --quiet
	@echo "Installing into $(VENV): some minutes, once ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		$(PYTHON) -m pip install --quiet --target $(VENV)-bootstrap virtualenv && \
		PYTHONPATH=$(VENV)-bootstrap $(PYTHON) -m virtualenv --quiet $(VENV) && rm -rf $(VENV)-bootstrap; }
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(PIP_INSTALL) --editable ".[dev]"
	@touch $@

demo: $(STAMP)
	$(BIN)/hcc-scope demo

app: $(STAMP)
	$(BIN)/hcc-scope app --rig $(RIG)

# on a screen of its own if there is a virtual one, else on none
screenshots: $(STAMP)
	run=$$(command -v xvfb-run) && run="$$run -a -s '-screen 0 1920x1200x24'" || export QT_QPA_PLATFORM=offscreen; \
		eval $$run $(BIN)/python -m benchmarks.screenshots docs/screenshots

# compiled once before the tests' processes start: each would compile the same modules; pytest compiles the tests itself
test: $(STAMP)
	$(BIN)/python -m compileall -q -j 0 -x '/test_' hcc_scope ui benchmarks tests
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)
	$(PIP_INSTALL) --editable ".[dev,docs]"
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs site

# the peers are an extra; where they cannot be had, the comparisons with them are left out
bench: $(STAMP)
	-$(PIP_INSTALL) --editable ".[dev,bench]"
	$(BIN)/hcc-scope bench

# some 35 minutes on two cores: five networks for each of three folds of both protocols on 24 phantom animals, then one
# training on all; in float32, so that another processor gives figures within the spread over starts that the card states
model: $(STAMP)
	$(BIN)/hcc-scope phantom cohort --out retrained/cohort --animals-per-class 12 --images-per-class 288 --sections 2 \
		--image-px 1024 --class-separation 2 --no-groups --seed 2019
	$(BIN)/hcc-scope evaluate retrained/cohort/manifest.csv --out retrained/evaluation --folds 3 --starts 5 --steps 400
	$(BIN)/hcc-scope train retrained/cohort/manifest.csv --out retrained/run --name phantom-meng2019 --steps 400 \
		--evaluation retrained/evaluation
	$(BIN)/hcc-scope models export retrained/run --out retrained --licence BSD-3-Clause

schema: $(STAMP)
	$(BIN)/hcc-scope config schema --out hardware_configs/rig.schema.json

# without the build's name, such as +cpu: which builds there are differs between platforms
constraints:
	rm -rf $(VENV)-constraints
	$(PYTHON) -m venv $(VENV)-constraints
	$(VENV)-constraints/bin/python -m pip install --quiet --upgrade pip
	$(VENV)-constraints/bin/python -m pip install --quiet --editable ".[dev,docs,bench]"
	{ echo "# Versions that the tests passed with; made by 'make constraints'"; \
		echo "# (docs/decisions/0025-constraints-and-docs.md)."; \
		$(VENV)-constraints/bin/python -m pip freeze --exclude hcc-scope | sed 's/+[^ ]*$$//'; } > constraints.txt
	rm -rf $(VENV)-constraints

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .hypothesis .pytest_cache
