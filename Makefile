# Every command a person types; `make help` lists them.
#   CH    one chapter (retrocue, ...)          SIZE  ci | book | paper
#   DATA  synthetic | a name of real data      SEED  root of every random stream
#   TORCH cpu (default) | gpu: the build of torch that a new environment gets. Where wheels are offered by
#         PIP_FIND_LINKS or UV_FIND_LINKS, the offered torch is taken instead. To change it, delete .venv first.
#   CLUSTER slurm | tcp://host:port of a Dask scheduler | empty: this machine
#   PYTHON  the Python 3.11 or newer that makes the environment

PYTHON ?= python3
TORCH ?= cpu
SIZE ?= book
SEED ?= 0
BIN := .venv/bin
RUN = --size $(SIZE) --seed $(SEED) $(if $(DATA),--data $(DATA))

export UV_COMPILE_BYTECODE := 1
export UV_PYTHON_DOWNLOADS := never
export UV_FIND_LINKS := $(or $(UV_FIND_LINKS),$(PIP_FIND_LINKS))
BACKEND_cpu := cpu
BACKEND_gpu := auto
INSTALL = VIRTUAL_ENV=.venv $(BIN)/uv pip install -c constraints.txt \
	$(if $(UV_FIND_LINKS),,--torch-backend=$(or $(BACKEND_$(TORCH)),$(error TORCH=$(TORCH): cpu or gpu is needed)))

.PHONY: book test newest chapter plan paper slurm record robust bench new-chapter lab serve clean pins help venv
.DEFAULT_GOAL := help

book: venv  ## environment, all chapters at size book, the site in _build/html
	@$(BIN)/python -m ci.execute --page
	@$(BIN)/python -m ci.site

test: venv  ## lint, types, import rule, unit tests, all chapters at size ci, their verdicts, the site
	@echo "== lint, types, import rule"
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@echo "== unit tests"
	@$(BIN)/python -m pytest
	@echo "== chapters at size ci"
	@$(BIN)/python -m ci.execute --size ci
	@$(BIN)/python -m ci.verdicts
	@echo "== site"
	@$(BIN)/python -m ci.site --size ci
	@$(BIN)/python -m ci.check_site build/site-ci/html
	@$(BIN)/python -m ci.check_browser build/site-ci/html

newest: venv  ## the site of make test under the newest Sphinx, without jupyter-book and pins
	@$(BIN)/python -m ci.newest

chapter: venv need-CH  ## one chapter and its page: CH=... [SIZE=...] [DATA=...] [SEED=...]
	@$(BIN)/python -m ci.execute $(CH) $(RUN)
	@$(BIN)/python -m ci.site $(CH) $(RUN)

plan: venv need-CH  ## what a run will cost, from some of its units: CH=... SIZE=paper [DATA=...] [SEED=...]
	@$(BIN)/python -m ci.plan $(CH) $(RUN)

paper: SIZE = paper
paper: venv need-CH  ## one chapter at the paper's size: CH=... [DATA=...] [SEED=...] [CLUSTER=...]
	@$(BIN)/python -m ci.execute $(CH) $(RUN) --cluster "$(CLUSTER)"

slurm: venv  ## a real SLURM on this machine, and a chapter that survives what is done to its jobs
	@ci/slurm.sh
	@$(BIN)/python -m ci.try_slurm

record: venv need-CH  ## a recorded result for the claims table: CH=... SIZE=paper [DATA=...]
	@$(BIN)/python -m ci.record $(CH) $(RUN)

robust: venv  ## verdicts under 20 seeds that the commit chooses: [CH=...]
	@$(BIN)/python -m ci.robust $(CH)

bench: .venv/.bench-ready  ## speed against peers
	@for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

new-chapter: venv need-CH  ## the skeleton of a chapter, ready for make test: CH=...
	@$(BIN)/python -m ci.new_chapter $(CH)

lab: .venv/.lab-ready  ## JupyterLab on the notebooks
	@JUPYTER_CONFIG_PATH=.jupyter CROSSROADS_PROGRESS=1 $(BIN)/jupyter lab --notebook-dir=.

serve:  ## the built book at http://localhost:8000
	@$(PYTHON) -m http.server 8000 --bind 127.0.0.1 --directory _build/html

clean:  ## delete results and site; the environment stays
	rm -rf build _build chapters book/_static/vendor

pins: venv  ## constraints.txt anew, from the registry alone
	env -u UV_FIND_LINKS -u PIP_FIND_LINKS $(BIN)/uv pip compile pyproject.toml --all-extras --universal \
		--no-header --no-annotate --upgrade -o constraints.txt

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1\t/p' Makefile | expand -t 22
	@sed -n '2,7s/^# *//p' Makefile

venv: .venv/.ready

need-CH:
	@test -n "$(CH)" || { echo "which chapter? add CH=name to the command"; exit 1; }

.venv/.ready: pyproject.toml constraints.txt
	@command -v git >/dev/null || { echo "git is missing: install it first"; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"Python 3.11 or newer is needed, \
	$(PYTHON) is {v[0]}.{v[1]}: name another with PYTHON=...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) has no venv: install it (Debian: apt install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -q uv
	$(INSTALL) -e '.[torch,book,speech,nerve,test]'
	@touch $@

.venv/.bench-ready: .venv/.ready
	$(INSTALL) -e '.[torch,book,speech,nerve,test,bench]'
	@touch $@

.venv/.lab-ready: .venv/.ready
	$(INSTALL) -e '.[torch,book,speech,nerve,test,lab]'
	@touch $@
