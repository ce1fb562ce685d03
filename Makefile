# Two targets do everything on a fresh machine: `make run` and `make test`. Both make the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPILED := $(VENV)/.compiled
SPARSE := ticketbench/sparse

# `make gpu` on a machine with torch and without a network: make gpu PYTHON=python3 WHEELS=wheels
WHEELS ?=
GPU_OVER := .gpu

.PHONY: run test lint bench gpu gpu-wheels boards docs calibration env clean help

run: env ## make the environment, then run the small tier of the suite drn
	$(BIN)/ticketbench run --suite drn

test: env ## make the environment, then run all tests
	$(BIN)/python -m pytest tests -n 2 --dist loadfile -q

lint: env ## ruff, its formatter, mypy --strict, and the arrows between rooms
	$(BIN)/ruff check ticketbench plugins tests benchmarks hatch_build.py
	$(BIN)/ruff format --check ticketbench plugins tests benchmarks hatch_build.py
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: env ## side-by-side measurements against plain loops
	$(BIN)/python -m pytest benchmarks -q --benchmark-columns=median,iqr,rounds --benchmark-sort=name -s

gpu: $(if $(WHEELS),,env) ## on a machine with a GPU, 8 minutes: right as on a CPU? how fast? into results/gpu.json
	$(if $(WHEELS),$(PYTHON) -m benchmarks.gpu.environment $(WHEELS) $(GPU_OVER))
	$(if $(WHEELS),$(GPU_OVER)/bin,$(BIN))/python -m benchmarks.gpu $(GPU)

gpu-wheels: env ## what `make gpu` needs where no network is, into wheels/
	$(BIN)/python -m benchmarks.gpu.wheels $(or $(WHEELS),wheels)

boards: env ## build the pages of leaderboards/ again, byte for byte
	$(BIN)/ticketbench board build

docs: env ## write the pages of docs/ that are made from the code
	$(BIN)/python -c "from ticketbench.store.documentation import records_markdown as page; print(page(), end='')" > docs/records.md
	$(BIN)/python -c "from ticketbench.suite.measures import measures_markdown as page; print(page(), end='')" > docs/measures.md

calibration: env ## simulate boards whose truth is known, some minutes: the tables of docs/statistics.md
	$(BIN)/ticketbench board calibrate --write docs/statistics.md

env: $(STAMP) $(COMPILED) ## make .venv with everything that is needed, if it is not there

# Without a C compiler, or with one that fails, all goes on without the sparse engine; the next `make` tries again.
$(COMPILED): $(wildcard $(SPARSE)/native/*.[ch]) $(SPARSE)/build.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	if $(BIN)/python -P $(SPARSE)/build.py; then touch $@; fi

$(STAMP): pyproject.toml constraints.txt hatch_build.py | $(COMPILED)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip -c constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,lint]'
	touch $@

clean: ## remove .venv, the compiled machine, and what `make gpu` made
	rm -rf $(VENV) $(GPU_OVER) $(SPARSE)/native/machine.so

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
