.PHONY: help run install test vllm lint format loop reader bench pictures clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## install, fetch the models, make a demo home, serve on http://127.0.0.1:8080
	@scripts/run

install: ## make .venv with the command .venv/bin/mentee
	@scripts/install

test: ## everything CI checks: lint, types, import contracts, tests on both databases
	@scripts/test

vllm: ## the contract of engines on a real vLLM on this CPU (installs 4 GB beside .venv; 15 minutes on 2 cores)
	@scripts/vllm

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

reader: ## make the reader again, the embedded model's first adapter (minutes on a GPU, two hours on 2 cores); DATA=folder of its sources
	@scripts/install
	@.venv/bin/python scripts/reader.py $(if $(DATA),--data $(DATA))

bench: ## print every figure of the README
	@scripts/install dev
	@set -e; for script in $(filter-out benchmarks/calibrate_%,$(wildcard benchmarks/*.py)); do echo "== $$script"; .venv/bin/python $$script; done

pictures: ## take the pictures of docs/how-to/slack.md again (needs Chromium and the fonts Lato and Noto Color Emoji)
	@scripts/install dev
	@.venv/bin/python scripts/slack_pictures.py

clean: ## remove what was built; the home .mentee and the fetched models stay
	@rm -rf .venv .venv-vllm build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
