# Short names for commands; `make` lists them.
.DEFAULT_GOAL := help

# A variable of the command line is data. Recipes read it from the environment ("$$DATA"): as "$(DATA)" it would become
# part of the shell's text. And make itself would run a $(shell …) in it when it exports the variable.
$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

# the programs that recipes run are no variables of the command line
override SETUP := sh local_stack/setup/setup.sh
override NEED = sh local_stack/setup/need.sh "make $@"
# PYTHONSAFEPATH=1 in the shell would hide the project's packages
override WITH_PROJECT := PYTHONPATH="$$PWD"
override STACK := $(WITH_PROJECT) .venv/bin/python -m local_stack
override STEP := . .venv/bin/activate && mlflow run . -e
override MONTH := $${DATA:+"--data=$$DATA"} $${AS_OF:+"--as-of=$$AS_OF"} $${MIX:+"--mix=$$MIX"}

# in the order of tests/conftest.py: the longest files first; compiled once, regardless of the shell. Three workers for
# two cores: tests wait for other processes for a fifth of their time
override TESTS := PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
override BENCH := $(WITH_PROJECT) .venv/bin/python -m bench
override BENCH_OPTIONS := "--data=$${DATA:-data/sample}" --state .streamflow-bench

.PHONY: help env dev run up down status history approve rollback lineage test coverage check format lock sbom settings bench bench-swap chaos bench-scale bench-kills bench-month-kills gate-rates monitor-rates campaign-rates pictures test-compose report backup restore

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

env: ## .venv from the lock (PYTHON=3.12 or a program)
	@$(SETUP) requirements.txt

dev: ## .venv with the tools for tests and checks
	@$(SETUP) requirements.txt requirements-dev.txt

run: env ## start the stack until Ctrl-C (DATA=dir AS_OF=date MIX=true)
	@$(STACK) run $(MONTH)

up: env ## start it in the background (as run; MONITORING=1)
	@$(STACK) up $(MONTH)

down: env ## stop the stack; the data stays
	@$(STACK) down

status: env ## show each service and whether it answers
	@$(STACK) status

backup: env ## write the stack's state to one file (TO=file)
	@$(STACK) backup $${TO:+"--to=$$TO"}

restore: env ## restore a backup; the stack must be down (FROM=file)
	@$(STACK) restore "--from=$$FROM"

history: env ## show which version served when, and what was decided
	@$(STEP) history

approve: env ## promote a version that waits (VERSION=n BY=name); REFUSE=true refuses it
	@$(STEP) approve -P version="$$VERSION" -P by="$$BY" -P refuse="$${REFUSE:-false}"

rollback: env ## serve the previous version again (or VERSION=n)
	@$(STEP) rollback -P version="$$VERSION"

lineage: env ## trace the version in Production to its data (or VERSION=n)
	@$(STEP) lineage -P version="$$VERSION"

test: dev ## run all tests
	@$(NEED) git
	@$(TESTS)

coverage: dev ## run all tests and list the lines that none of them ran
	@$(NEED) git
	@$(TESTS) --cov --cov-report=term-missing:skip-covered

test-compose: dev ## run docker-compose.yml with podman; skipped without it
	@sh deploy/containers/test-compose.sh

check: dev ## format, lint, types, tests
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy
	@$(MAKE) --no-print-directory test

format: dev ## format the code and fix what ruff can fix
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lock: dev ## write requirements*.txt from pyproject.toml (UPGRADE=1)
	@sh local_stack/setup/lock.sh

sbom: dev ## write sbom.json (CycloneDX) from the lock
	@.venv/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file sbom.json requirements.txt

settings: dev ## write .env.example from the programs' settings
	@$(WITH_PROJECT) .venv/bin/python -m configuration

bench: dev ## speed, to reports/benchmarks.md (FOR=seconds ROUNDS=)
	@$(BENCH) speed $(BENCH_OPTIONS) "--seconds=$${FOR:-10}" "--rounds=$${ROUNDS:-3}"

chaos: dev ## faults, to reports/reliability.md (MINUTES= SCALE= CASES=)
	@$(BENCH) chaos $(BENCH_OPTIONS) "--minutes=$${MINUTES:-10}" "--scale=$${SCALE:-1}"
	@$(BENCH) any-request $(BENCH_OPTIONS) "--cases=$${CASES:-10000}"

bench-swap: dev ## promotions and rollbacks under load (SWAPS=)
	@$(BENCH) swap $(BENCH_OPTIONS) "--swaps=$${SWAPS:-20}"

bench-scale: dev ## many users, to reports/scale.md (SIZES= STOCK_UP_TO=)
	@$(WITH_PROJECT) .venv/bin/python -m bench.scale "--sizes=$${SIZES:-7043,100000,1000000}" "--stock-up-to=$${STOCK_UP_TO:-100000}" \
	  --state .streamflow-scale

bench-kills: dev ## kill materialize at random moments (KILLS= STORE=redis)
	@[ "$$STORE" != redis ] || $(NEED) redis-server
	@$(WITH_PROJECT) .venv/bin/python -m bench.kills.materialize "--kills=$${KILLS:-20}" "--store=$${STORE:-postgres}" --state .streamflow-scale

bench-month-kills: dev ## kill whole months at random moments (KILLS=)
	@$(WITH_PROJECT) .venv/bin/python -m bench.kills.month "--kills=$${KILLS:-20}" --state .streamflow-kills

gate-rates: dev ## simulate the gate, to docs/gate-error-rates.md (15 minutes)
	@$(WITH_PROJECT) .venv/bin/python -m bench.gate_rates --to docs/gate-error-rates.md

monitor-rates: dev ## simulate the monitor, to docs/monitor-error-rates.md
	@$(WITH_PROJECT) .venv/bin/python -m bench.monitor_rates --populations 20 --months 10 --users 7043 --to docs/monitor-error-rates.md

campaign-rates: dev ## simulate campaigns, to docs/call-list-rates.md
	@$(WITH_PROJECT) .venv/bin/python -m bench.campaign_rates --campaigns 500 --users 7043 --to docs/call-list-rates.md

pictures: dev ## the console's pages, to docs/pictures/
	@$(NEED) chromium
	@$(WITH_PROJECT) .venv/bin/python -m bench.pictures --to docs/pictures --state .streamflow-pictures

report: dev ## write reports/rapport_tp4.md from a real run (DATA=folder)
	@$(NEED) chromium curl
	@$(WITH_PROJECT) .venv/bin/python -m reports.rapport "--data=$$DATA"
