.PHONY: help run install test test-full test-postgres coverage security vllm lint format loop reader dist bench screenshots pictures clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## install, fetch the models, create a demo, serve it on http://127.0.0.1:8080
	@scripts/run

install: ## create .venv with the command .venv/bin/mentee
	@scripts/install

test: ## lint, types, import contracts and tests (under 20 minutes on 2 cores)
	@scripts/test

test-full: ## the long tests: browsers, real servers, clean environments, kills, all of storage on PostgreSQL
	@scripts/test full

test-postgres: ## on PostgreSQL, the tests that the others run only on SQLite
	@scripts/test postgres

coverage: ## the tests of `make test` on SQLite with coverage, which makes them a third slower
	@scripts/test coverage

security: ## attacks: the API by its schema with each role, hostile texts for parsers, instructions in documents
	@scripts/security

vllm: ## engine tests against a real vLLM on this CPU (installs 4 GB next to .venv; 15 minutes on 2 cores)
	@scripts/vllm

lint: ## lint, format, types and import contracts
	@scripts/install dev
	@scripts/lint

format: ## format the code and fix what ruff can fix
	@scripts/install dev
	@.venv/bin/ruff check --fix-only --quiet
	@.venv/bin/ruff format

loop: ## run the whole loop on real data: votes, round, gate, before and after, rollback (6 minutes on 2 cores)
	@scripts/install
	@.venv/bin/python scripts/loop.py

reader: ## train the reader again, the embedded model's first adapter (minutes on a GPU, two hours on 2 cores); DATA=folder of its sources
	@scripts/install
	@.venv/bin/python -m recipes.reader $(if $(DATA),--data $(DATA))

dist: ## build the wheels of Mentee and of its reader into dist/
	@scripts/dist

bench: ## print every figure of the README
	@scripts/install dev
	@set -e; for script in $(filter-out benchmarks/calibrate_%,$(wildcard benchmarks/*.py)); do echo "== $$script"; .venv/bin/python $$script; done

screenshots: ## take the pictures of web chat, the desk and the console in the docs again, from a new demo
	@scripts/install dev
	@.venv/bin/python scripts/screenshots.py

pictures: ## take the pictures of Slack in the docs again (needs Chromium and the fonts Lato and Noto Color Emoji)
	@scripts/install dev
	@.venv/bin/python scripts/slack_pictures.py

clean: ## remove what was built; keep the home .mentee and fetched models
	@rm -rf .venv .venv-vllm build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
