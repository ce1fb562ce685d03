# Two targets do everything on a fresh machine: `make run` and `make test`. Both make the environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test lint bench boards docs env clean help

run: env ## make the environment, then run the small tier of the suite drn
	$(BIN)/ticketbench run --suite drn

test: env ## make the environment, then run all tests
	$(BIN)/python -m pytest tests -n 2 --dist loadfile -q

lint: env ## ruff, its formatter, mypy --strict, and the arrows between rooms
	$(BIN)/ruff check ticketbench plugins tests benchmarks
	$(BIN)/ruff format --check ticketbench plugins tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: env ## side-by-side measurements against plain loops
	$(BIN)/python -m pytest benchmarks -q --benchmark-columns=median,iqr,rounds --benchmark-sort=name -s

boards: env ## build the pages of leaderboards/ again, byte for byte
	$(BIN)/ticketbench board build

docs: env ## write the pages of docs/ that are made from the code
	$(BIN)/python -c "from ticketbench.store.documentation import records_markdown as page; print(page(), end='')" > docs/records.md
	$(BIN)/python -c "from ticketbench.suite.measures import measures_markdown as page; print(page(), end='')" > docs/measures.md

env: $(STAMP) ## make .venv with everything that is needed, if it is not there

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip -c constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,lint]'
	touch $(STAMP)

clean: ## remove .venv
	rm -rf $(VENV)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
