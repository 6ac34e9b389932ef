# Two commands to begin with: `make demo`, then `make serve`. `make test` and `make lint` check the project.

PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
HOST ?= 127.0.0.1
PORT ?= 8000
ROWS ?= 10000
JOBS ?= 2
DATA ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS)

# One busy thread a fit is faster than several that wait for each other.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help venv install install-dev demo serve test test-slow lint format clean

help:
	@echo 'make demo             a filed shop from an invented catalogue; DATA=file.csv.gz takes yours'
	@echo 'make serve            the site at http://$(HOST):$(PORT)/admin/'
	@echo 'make test             every test on SQLite, the database part on PostgreSQL too (TEST_POSTGRES_URL); JOBS=2'
	@echo 'make lint             ruff, mypy, missing migrations'
	@echo 'make test-slow        the long loops: twenty kills, ten thousand flips, a thousand cuts'
	@echo "A smaller torch:      make demo PIP_ARGS='--extra-index-url URL', the index of CPU builds (README)"

venv: $(VENV)/.made
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or later is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

install: $(VENV)/.ml
$(VENV)/.ml: requirements.txt requirements-ml.txt | $(VENV)/.made
	$(PIP) -r requirements-ml.txt
	@touch $@

install-dev: $(VENV)/.dev
$(VENV)/.dev: requirements.txt requirements-ml.txt requirements-dev.txt | $(VENV)/.made
	$(PIP) -r requirements-dev.txt
	@touch $(VENV)/.ml $@

demo: $(VENV)/.ml
	$(BIN)/python -m bunoraa.demo --rows $(ROWS) --url http://$(HOST):$(PORT)/admin/ $(if $(DATA),--data '$(DATA)')

# For your own machine; in production: gunicorn bunoraa.wsgi with BUNORAA_SECRET_KEY set.
serve: $(VENV)/.ml
	BUNORAA_DEBUG=1 $(BIN)/python manage.py migrate --verbosity 0
	BUNORAA_DEBUG=1 $(BIN)/python manage.py runserver $(HOST):$(PORT)

test: $(VENV)/.dev
	DATABASE_URL= $(BIN)/python -m pytest tests -n $(JOBS) --dist loadfile
	@if [ -n "$$TEST_POSTGRES_URL" ]; then \
		echo 'The database part again, on PostgreSQL:'; \
		DATABASE_URL="$$TEST_POSTGRES_URL" $(BIN)/python -m pytest tests/categories -n $(JOBS) --dist loadfile; \
	else \
		echo 'NOT TESTED on PostgreSQL: set TEST_POSTGRES_URL=postgres://user:password@host:5432/name to do so.'; \
	fi

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest tests -m slow
	@if [ -n "$$TEST_POSTGRES_URL" ]; then \
		DATABASE_URL="$$TEST_POSTGRES_URL" $(BIN)/python -m pytest tests/categories -m slow; \
	fi

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf outputs .mypy_cache .ruff_cache .pytest_cache
