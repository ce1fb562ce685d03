# Two targets do everything on a fresh machine: `make run` and `make test`. Both make the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test lint bench boards docs env clean

run: env
	$(BIN)/ticketbench run --suite drn

test: env
	$(BIN)/python -m pytest tests -n 2 --dist loadfile -q

lint: env
	$(BIN)/ruff check ticketbench plugins tests benchmarks
	$(BIN)/ruff format --check ticketbench plugins tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: env
	$(BIN)/python -m pytest benchmarks -q --benchmark-columns=median,iqr,rounds --benchmark-sort=name -s

boards: env
	$(BIN)/ticketbench board build

docs: env
	$(BIN)/python -c "from ticketbench.store.documentation import records_markdown as page; print(page(), end='')" > docs/records.md
	$(BIN)/python -c "from ticketbench.suite.measures import measures_markdown as page; print(page(), end='')" > docs/measures.md

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip -c constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,lint]'
	touch $(STAMP)

clean:
	rm -rf $(VENV)
