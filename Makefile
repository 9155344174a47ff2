# `make` alone lists what there is. `make lab` and `make test` need nothing done before them.
# ENV is the environment's folder: with conda, make lab ENV="$CONDA_PREFIX"

ENV ?= .venv
PYTHON := $(ENV)/bin/python
READY := $(ENV)/.course-ready
FUZZ_REQUESTS ?= 10000

.DEFAULT_GOAL := help
.PHONY: help lab test notebooks translation-status benchmarks fuzz lint lock clean

# The set-up runs again when the lock changed, the folder moved, or the environment's Python is gone.
ifneq ($(shell $(PYTHON) -c "print(open('$(READY)').read().strip())" 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif
$(READY): requirements.txt pyproject.toml tools/setup.sh
	@sh tools/setup.sh "$(ENV)"

help: ## this list
	@awk -F ': [^#]*## ' '/^[a-z-]+: .*## / {printf "make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab: $(READY) ## JupyterLab on the welcome notebook; in another language: make lab COURSE_LANG=ja
	@$(PYTHON) -m tools.lab $(LAB_FLAGS)

test: $(READY) ## every test: library, tools, translations, and every notebook of every language
	@$(PYTHON) -m pytest -n 2 --dist loadfile

notebooks: $(READY) ## take out the messages, build every language's notebooks, run what changed
	@$(PYTHON) -m tools.notebooks
	@$(PYTHON) -m tools.translation_status --readme

translation-status: $(READY) ## what is missing, fuzzy or obsolete, for each language and lesson
	@$(PYTHON) -m tools.translation_status

benchmarks: $(READY) ## run every claim of speed beside its peer and rewrite benchmarks/README.md
	@$(PYTHON) -m benchmarks

fuzz: $(READY) ## send the encrypted service 10,000 mutated requests
	@$(PYTHON) -m tools.fuzz --requests $(FUZZ_REQUESTS)

lint: $(READY) ## ruff: lint and format
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check

lock: $(READY) ## requirements.in -> requirements.txt and environment.yml
	@$(PYTHON) -m tools.lock

clean: ## remove the environment and everything cached; never a notebook or a data set
	@rm -rf .venv .cache .pytest_cache .ruff_cache
