.PHONY: help run install test lint format loop reader bench clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## install, fetch the models, make a demo home, serve on http://127.0.0.1:8080
	@scripts/run

install: ## make .venv with the command .venv/bin/mentee
	@scripts/install

test: ## everything CI checks: lint, types, import contracts, tests on both databases
	@scripts/test

lint: ## lint, format, types and import contracts
	@scripts/install dev
	@scripts/lint

format: ## format the code and mend what ruff can mend
	@scripts/install dev
	@.venv/bin/ruff check --fix-only --quiet
	@.venv/bin/ruff format

loop: ## prove the loop on real data: votes, round, gate, before and after, rollback (6 minutes on 2 cores)
	@scripts/install
	@.venv/bin/python scripts/loop.py

reader: ## make the reader again, the embedded model's first adapter (70 minutes on 2 cores); DATA=folder of its sources
	@scripts/install
	@.venv/bin/python scripts/reader.py $(if $(DATA),--data $(DATA))

bench: ## print every figure of the README
	@scripts/install dev
	@set -e; for script in $(filter-out benchmarks/calibrate_%,$(wildcard benchmarks/*.py)); do echo "== $$script"; .venv/bin/python $$script; done

clean: ## remove what was built; the home .mentee and the fetched models stay
	@rm -rf .venv build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
