# The commands of the project. `make` alone lists them. All that they need is Python 3.11 or newer.

# What is given on the command line reaches Python through the environment, as it is: it is never a part of a shell's text,
# nor read by make once more. What is not given is not there: as an empty variable it would win over the same name in .env.
GIVEN := ACCOUNT AGAIN DASHBOARDS DAYS DEMO DRY_RUN FILE FOLDER FORMAT FROM ID KEEP ONLY OUT PORT QUICK REPLACE TO TRUST VIEWS WEEK
$(foreach name,$(GIVEN),$(if $(filter-out undefined,$(origin $(name))),$(eval override export $(name) := $$(value $(name)))))
# Whether a variable that is on or off is on. What is neither ends make before the recipe runs: `REPLACE=false` is no yes.
on = $(if $(filter-out 0 1 no yes,$($1))$(word 2,$($1)),$(error $1=$($1) is neither on nor off. Write 1 or yes, or 0 or no),$(filter 1 yes,$($1)))
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,\
  $(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
SUPERSET := .local/superset/venv
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Python keeps what it has compiled, whatever the environment says: for each command anew, that takes longer than all the rest.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help run test test-deep test-ui screens audit secrets check format ui report load-lists notebook export dashboards test-dashboards stop migrate doctor alert-test psql psql-url \
  roles erase forget-account redate retention backup restore deploy docs fuzz faults hostile years bench lock clean

help:  ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: .venv/run  ## pull the last 7 days into Postgres and show what landed (DAYS=30 for more)
	@$(BIN)/python -m pipelines pull --days="$${DAYS:-7}"

ui: .venv/run  ## Dagster's UI on http://localhost:3000 (PORT=3001 for another port)
	@$(BIN)/python -m pipelines ui

report: .venv/run  ## the newest week's report, in a browser (WEEK=2026-11-16 for another, AGAIN=1 to write it anew)
	@$(BIN)/python -m pipelines report $${WEEK:+--week="$$WEEK"} $(if $(call on,AGAIN),--again)

load-lists: .venv/run  ## load the university's own lists (FOLDER=path, by default UNIVERSITY_DIR): docs/lists.md
	@$(BIN)/python -m pipelines load-lists $${FOLDER:+-- "$$FOLDER"}

dashboards: .venv/run $(SUPERSET)/installed  ## Superset with five dashboards on http://localhost:8088 (PORT=8089 for another port)
	@$(BIN)/python -m pipelines dashboards $${PORT:+--port="$$PORT"}

notebook: .venv/dev  ## explore the views with filters, in a marimo notebook
	@$(BIN)/python -m pipelines notebook

export: .venv/run  ## views as files: VIEWS="sessions daily" (FORMAT=csv or xlsx, FROM=2026-09-01 TO=..., ACCOUNT=..., OUT=folder)
	@set -f; $(BIN)/python -m pipelines export $${FROM:+--from="$$FROM"} $${TO:+--to="$$TO"} $${ACCOUNT:+--account="$$ACCOUNT"} \
	  $${FORMAT:+--format="$$FORMAT"} $${OUT:+--out="$$OUT"} -- $${VIEWS:-}

psql: .venv/run  ## a prompt on the warehouse
	@$(BIN)/python -m pipelines psql

psql-url: .venv/run  ## print the warehouse's connection string
	@$(BIN)/python -m pipelines psql-url

migrate: .venv/run  ## bring the database to this version's schema
	@$(BIN)/python -m pipelines migrate

roles: .venv/run  ## make the database's roles for loaders and analysts, or bring them up to date
	@$(BIN)/python -m pipelines roles

erase: .venv/run  ## take one person out of the warehouse for good (ID=user.id, DRY_RUN=1 to only count)
	@$(BIN)/python -m pipelines erase --user-id="$${ID:-}" $(if $(call on,DRY_RUN),--dry-run)

forget-account: .venv/run  ## take a whole account out of the warehouse (ID=partner id, DRY_RUN=1 to only count)
	@$(BIN)/python -m pipelines forget-account $(if $(call on,DRY_RUN),--dry-run) -- "$${ID:-}"

redate: .venv/run  ## move the rows to their days in PARTITION_TIMEZONE, after that was changed (DRY_RUN=1 to only count)
	@$(BIN)/python -m pipelines redate $(if $(call on,DRY_RUN),--dry-run)

retention: .venv/run  ## take names out of days older than RETENTION_DAYS (DRY_RUN=1 to only count)
	@$(BIN)/python -m pipelines retention $(if $(call on,DRY_RUN),--dry-run)

doctor: .venv/run  ## examine the Kaltura account: credentials, reports, columns, clock
	@$(BIN)/python -m pipelines doctor

alert-test: .venv/run  ## send a test message to where alerts go
	@$(BIN)/python -m pipelines alert-test

backup: .venv/run  ## back the warehouse up (FILE=..., by default a new one under .local/backups; KEEP=30: older ones go)
	@$(BIN)/python -m pipelines backup $${KEEP:+--keep="$$KEEP"} $${FILE:+-- "$$FILE"}

restore: .venv/run  ## put a backup back: FILE=... (REPLACE=1: in the place of the rows that are there, TRUST=1: unsigned)
	@test -n "$${FILE:-}" || { echo "Say which: make restore FILE=path (backups are under .local/backups)"; exit 1; }
	@$(BIN)/python -m pipelines restore $(if $(call on,REPLACE),--replace) $(if $(call on,TRUST),--trust) -- "$$FILE"

deploy:  ## the whole installation in containers, with Docker Compose (DEMO=1: no account; DASHBOARDS=1: Superset too)
	@$(expect_python); $(PYTHON) deploy/prepare.py $(if $(call on,DEMO),--demo)
	docker compose $(if $(call on,DEMO),--profile demo) $(if $(call on,DASHBOARDS),--profile dashboards) up --detach --build

stop:  ## stop what `make run`, `make ui` and `make dashboards` left running; data stay
	@if [ -d .local -o -e .venv/run ]; then $(MAKE) -s .venv/run && $(BIN)/python -m pipelines stop; \
	else echo "Nothing runs here: nothing was started in this checkout."; fi

test: .venv/dev  ## the tests, on a real Postgres, real HTTP and a real Dagster instance (ONLY=tests/unit for some)
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(if $(ONLY),$$ONLY,-m "not deep")

test-deep: .venv/dev  ## the tests that take long, and those whose worlds are small in `make test` in large ones (ONLY for some)
	TESTS=deep $(BIN)/python -m pytest --numprocesses auto --dist worksteal -m "deep or larger" $${ONLY:-}

test-ui: .venv/dev  ## a backfill in Dagster's UI, in a real browser (Debian: apt-get install chromium)
	$(BIN)/python -m pytest tests/ui

test-dashboards: .venv/dev $(SUPERSET)/installed  ## the dashboards in a real Superset: every chart against SQL, rights, a browser
	$(BIN)/python -m pytest tests/dashboards

screens: .venv/dev $(SUPERSET)/installed  ## both, and their pictures into docs/images
	SCREENS=docs/images $(BIN)/python -m pytest tests/ui
	SCREENS=docs/images $(BIN)/python -m pytest tests/dashboards/test_in_a_browser.py

audit: .venv/dev  ## known vulnerabilities in what is pinned; fails where no advisories can be reached
	$(BIN)/python .ci/audit.py

# An example of a password is `hidden` or `change-me`, or `password` or `none` in a URL; another that is no secret carries a pragma.
secrets: .venv/dev  ## anything in the checkout that looks like a secret
	@git rev-parse --git-dir >/dev/null 2>&1 || { echo "secrets: not a git checkout, skipped"; exit 0; }; \
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --exclude-secrets '^(hidden|change-me)$$' --exclude-lines '://[^:/ ]*:(password|hidden|none|change-me|\{[^@]*)@'

check: .venv/dev secrets  ## formatting, types, SQL, deployment files, secrets, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar sql
	$(BIN)/squawk --config .squawk.toml sql/migrations/*.sql
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint deploy/Dockerfile deploy/dashboards.Dockerfile
	$(BIN)/kubernetes-validate --quiet --strict $(filter-out %/values.yaml,$(wildcard deploy/k8s/*.yaml))
	$(BIN)/dg check defs 2>/dev/null || $(BIN)/dg check defs
	$(BIN)/python -m pipelines docs --check
	$(BIN)/python .ci/audit.py --may-skip

format: .venv/dev  ## format code and SQL
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --disable-progress-bar sql

fuzz: .venv/dev  ## the property tests for ten minutes, on all processors
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n auto --timeout 3600 tests/integration/test_wholeness.py tests/unit/test_csv.py

bench: .venv/dev  ## speed, against COPY's own and against others (QUICK=1: within 3 minutes)
	$(BIN)/python -m bench $(if $(call on,QUICK),--quick) $${ONLY:-}

faults: .venv/dev  ## measure the fault table of docs/reliability.md anew: some 200 backfills with a fault each
	@$(BIN)/python -m bench.faults $${ONLY:+--only="$$ONLY"}

hostile: .venv/dev  ## measure the table of hostile replies in docs/reliability.md anew: outcome, seconds, peak memory
	@$(BIN)/python -m bench.hostile

years: .venv/dev  ## try what happens to a warehouse over the years, with real servers and commands (ONLY="killed" for one)
	@$(BIN)/python -m bench.years $${ONLY:-}

docs: .venv/dev  ## regenerate the data dictionary from the catalog, the settings page from .env.example
	$(BIN)/python -m pipelines docs

lock: .venv/dev  ## pin the dependencies anew, with hashes
	$(BIN)/uv pip compile -q pyproject.toml --group image $(LOCK) -o locks/run.txt
	$(BIN)/uv pip compile -q pyproject.toml --group dev --group bench --extra notebook -c locks/run.txt $(LOCK) -o locks/dev.txt
	$(BIN)/uv pip compile -q dashboards/requirements.in $(LOCK) -o locks/dashboards.txt
LOCK := --generate-hashes --no-emit-index-url --universal --no-strip-extras --python-version 3.11 --no-header --no-annotate

# Works where nothing was installed, or was half installed, and can be repeated: it installs what stops the servers only where
# some may run. It deletes what it names. A folder of .local that it does not name may hold the only copy of something.
clean:  ## delete the private Postgres, Dagster's history and the environment (backups, exports, reports, Superset's charts stay)
	@if [ -e .venv/run -o -d .local/postgres -o -d .local/dagster ]; then \
	  $(MAKE) -s stop && $(BIN)/python -m pipelines postgres remove; fi
	rm -rf .local/postgres .local/dagster $(SUPERSET) .venv
	@find .local -depth -type d -empty -delete 2>/dev/null || true
	@if [ -d .local ]; then echo "Kept: $$(cd .local && printf '.local/%s ' *)(delete it by hand, if nobody needs it any more)"; fi

.venv/run: locks/run.txt
	@$(call install,$<)
	@touch $@

.venv/dev: locks/dev.txt
	@$(call install,$<)
	@touch $@ .venv/run

# Superset wants a Python that its packages are built for, and its own environment: it is made anew whenever its lock changes.
$(SUPERSET)/installed: locks/dashboards.txt | .venv/run
	@python=$$(for each in "$(PYTHON)" python3.12 python3.11; do \
	  "$$each" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && echo "$$each" && break; done || true); \
	test -n "$$python" || { echo "Superset needs Python 3.11 or 3.12, and neither was found."; exit 1; }; \
	echo "Installing Superset into $(SUPERSET) ..."; \
	mkdir -p $(dir $(SUPERSET)) && rm -rf $(SUPERSET) && "$$python" -m venv $(SUPERSET); \
	$(BIN)/python -m uv pip install -q --python $(SUPERSET)/bin/python --require-hashes -r $< || \
	  $(SUPERSET)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

define expect_python
test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and was not found. Set PYTHON=/path/to/python3."; exit 1; }
endef

# An environment counts when it is complete: one whose making was interrupted is made anew. uv installs in seconds what pip
# takes a minute for; where it can't reach the index that pip is set up for, pip does it.
define install
$(expect_python); \
test -x $(BIN)/python -a ! -e .venv/incomplete || { echo "Making .venv ..."; \
  rm -rf .venv && mkdir .venv && touch .venv/incomplete && $(PYTHON) -m venv .venv || \
  { rm -rf .venv; echo "Python can't make virtual environments: install its venv package (on Debian: python3-venv)."; exit 1; }; }; \
touch .venv/incomplete; \
echo "Installing $(1) ..."; \
$(BIN)/python -m pip install -q --disable-pip-version-check 'uv>=0.13.9,<0.14' && \
  $(BIN)/python -m uv pip install -q --python $(BIN)/python --require-hashes -r $(1) || \
  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(1); \
rm .venv/incomplete
endef
