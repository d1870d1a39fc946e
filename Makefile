# Names for commands. `make` alone lists them.
.DEFAULT_GOAL := help
SETUP := sh local_stack/setup/setup.sh
NEED   = sh local_stack/setup/need.sh "make $@"
# PYTHONSAFEPATH=1 keeps the project itself from being found
HERE  := PYTHONPATH="$(CURDIR)"
STACK := $(HERE) .venv/bin/python -m local_stack
STEP  := . .venv/bin/activate && mlflow run . -e
WHAT  := $(if $(DATA),--data "$(DATA)") $(if $(AS_OF),--as-of "$(AS_OF)") $(if $(MIX),--mix "$(MIX)")

# the files in the order of tests/conftest.py: the longest first; compiled once, whatever the shell says of that
TESTS := PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
BENCH := $(HERE) .venv/bin/python -m bench
ON    := --data "$(or $(DATA),data/sample)" --state .streamflow-bench

.PHONY: help env dev run up down status history rollback lineage test coverage check format lock settings bench bench-swap chaos bench-scale bench-kills gate-rates test-compose report backup restore

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

env: ## .venv from the lock (PYTHON=3.12 or a program; else the newest)
	@$(SETUP) requirements.txt

dev: ## .venv with what tests and checks need
	@$(SETUP) requirements.txt requirements-dev.txt

run: env ## the whole stack in the foreground until Ctrl-C (DATA=dir AS_OF=date MIX=true MLFLOW_PORT= …)
	@$(STACK) run $(WHAT)

up: env ## the same in the background
	@$(STACK) up $(WHAT)

down: env ## end it; the data stays
	@$(STACK) down

status: env ## what runs, and does it answer
	@$(STACK) status

backup: env ## databases and artifacts into one file, also while the stack runs (TO=file)
	@$(STACK) backup $(if $(TO),--to "$(TO)")

restore: env ## put back what a backup holds; the stack has to be down (FROM=file)
	@$(STACK) restore --from "$(FROM)"

history: env ## who served when
	@$(STEP) history

rollback: env ## put back the version that served before (VERSION=n: that one)
	@$(STEP) rollback -P version="$(VERSION)"

lineage: env ## where the version in Production comes from (VERSION=n: that one)
	@$(STEP) lineage -P version="$(VERSION)"

test: dev ## all tests
	@$(NEED) git
	@$(TESTS)

coverage: dev ## all tests, and the lines that none of them ran (takes half as long again)
	@$(NEED) git
	@$(TESTS) --cov --cov-report=term-missing:skip-covered

test-compose: dev ## docker-compose.yml really run, on this machine (podman; skipped where tools are missing; not in `test`)
	@sh deploy/containers/test-compose.sh

check: dev ## format, lint, types, tests
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy
	@$(MAKE) --no-print-directory test

format: dev ## format and mend what can be mended
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lock: dev ## make requirements*.txt anew from pyproject.toml
	@sh local_stack/setup/lock.sh

settings: dev ## write .env.example from the defaults in the programs' settings
	@.venv/bin/python -m configuration

bench: dev ## the gateway, the published way and applications without work under one load -> reports/benchmarks.md (FOR=seconds ROUNDS=)
	@$(BENCH) speed $(ON) --seconds $(or $(FOR),10) --rounds $(or $(ROUNDS),3)

chaos: dev ## steady load, overload, slow and many clients, faults and any request, every answer checked -> reports/reliability.md (MINUTES= SCALE= CASES=)
	@$(BENCH) chaos $(ON) --minutes $(or $(MINUTES),10) --scale $(or $(SCALE),1)
	@$(BENCH) any-request $(ON) --cases $(or $(CASES),10000)

bench-swap: dev ## promotions and rollbacks in turn under load, and broken versions; prints the figures (SWAPS=)
	@$(BENCH) swap $(ON) --swaps $(or $(SWAPS),20)

bench-scale: dev ## from thousands of users to a million, beside the stock way -> reports/scale.md (SIZES= STOCK_UP_TO=)
	@$(HERE) .venv/bin/python -m bench.scale --sizes $(or $(SIZES),7043,100000,1000000) --stock-up-to $(or $(STOCK_UP_TO),100000) \
	  --state .streamflow-scale

bench-kills: dev ## materialize killed at random moments: never a mixture of months (KILLS= STORE=postgres|redis)
	@$(HERE) .venv/bin/python -m bench.kills --kills $(or $(KILLS),20) --store $(or $(STORE),postgres) --state .streamflow-scale

gate-rates: dev ## how often the gate's rules are wrong, simulated -> docs/gate-error-rates.md (some 15 minutes)
	@$(HERE) .venv/bin/python -m bench.gate_rates --to docs/gate-error-rates.md

report: dev ## reports/rapport_tp4.md from a real run on the real months, with Chromium over the UI (DATA=folder)
	@$(NEED) chromium curl
	@$(HERE) .venv/bin/python -m reports.rapport --data "$(DATA)"
