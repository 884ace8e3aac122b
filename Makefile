# make demo: sets up, runs the embedded study. make test: sets up, runs the tests.
PYTHON ?= python3
VENV ?= .venv
VARIANT ?= cpu
RUN = PATH="$(abspath $(VENV))/bin:$$PATH"

.PHONY: setup demo test lint schema clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml envs/requirements.lock envs/torch.txt envs/install.sh
	sh envs/install.sh $(PYTHON) $(VENV) $(VARIANT)
	@touch $@

demo: setup
	$(RUN) prunescope run

# The slowest first, side by side: clusters and Snakemake leave much of two cores to others.
test: setup
	$(RUN) pytest -n 3 --dist loadfile --no-loadscope-reorder \
		tests/slurm tests/workflow tests/browser tests/gpu tests/golden tests/unit

lint: setup
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) snakemake --lint

schema: setup
	$(RUN) prunescope schema > workflow/schemas/config.schema.json

clean:
	rm -rf $(VENV)
