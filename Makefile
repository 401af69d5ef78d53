# Every target sets up what it needs (scripts/setup.sh); a second run finds it there.
PANTHER := .venv/bin/panther
PYTHON := .venv/bin/python
ARGS :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test regress bench verilog synth lockstep nodes puma mutate isa registers fuzz networks training headroom training-rtl fig10 paper effects updates vgg16 design study-crash frontends lint doctor clean

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*##  *\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup:  ## make .venv and install the simulators (every target below does)
	@scripts/setup.sh

demo: setup  ## train a network on digits in RTL, bit for bit against the golden model
	@$(PANTHER) demo $(ARGS)

test: setup  ## run all tests, and every testbench on both simulators
	@$(PANTHER) regress tests cocotb_tests --allow-missing-simulator icarus $(ARGS)

regress: setup  ## run only the testbenches; ARGS="--sim icarus --seed 7 -k shift_add"
	@$(PANTHER) regress $(ARGS)

bench: setup  ## measure speed: cycles, co-simulation, golden model
	@$(PYTHON) -m benchmarks $(ARGS)

verilog: setup  ## write the Verilog of the paper's unit to build/mcu.v
	@$(PANTHER) verilog --preset PAPER --output build/mcu.v $(ARGS)
	@echo build/mcu.v

synth: setup  ## size and speed on an FPGA, compared with docs; ARGS="mcu-small --no-fmax"
	@$(PANTHER) synth $(ARGS)

lockstep: setup  ## 100,000 random instructions on a core in RTL and its twin; ARGS="--seed 7"
	@$(PYTHON) -m cocotb_tests.campaign $(ARGS)

nodes: setup  ## random programs on whole nodes, RTL and twin; ARGS="--seed 7"
	@$(PYTHON) -m cocotb_tests.node_campaign $(ARGS)

puma: setup  ## the PUMA compiler's programs, every tile that computes in RTL
	@for name in mlpPanther convGPanther; do \
		$(PANTHER) import-puma tests/data/puma/$$name --engine rtl $(ARGS) || exit 1; done

mutate: setup  ## break the hardware line by line; every test must see it
	@$(PYTHON) -m cocotb_tests.mutations

isa: setup  ## write docs/isa.md and the editors' syntax file from the instruction table
	@$(PYTHON) -m panther.asm

registers: setup  ## write docs/registers.md and docs/panther_node.h from the register table
	@$(PYTHON) -m panther.arch

fuzz: setup  ## feed the assembler nonsense; SEED=7 replays, ARGS="--inputs 1000000" takes longer
	@$(PYTHON) -m tests.panther.asm.fuzz $(if $(SEED),--seed $(SEED)) $(ARGS)

networks: setup  ## 200 random networks compiled for every variant: all cells as golden's
	@$(PYTHON) -m tests.panther.compiler.campaign $(ARGS)

training: setup  ## three epochs of digits, MLP and CNN, every variant: all cells as golden's
	@$(PYTHON) -m tests.panther.train.campaign $(ARGS)

headroom: setup  ## units with headroom trackers of all sizes, on both simulators; ARGS="--seed 7"
	@$(PYTHON) -m cocotb_tests.headroom_campaign $(ARGS)

training-rtl: setup  ## 50 digits, MLP and CNN, in RTL beside the twin; ARGS="--network mlp"
	@$(PYTHON) -m cocotb_tests.training_campaign $(ARGS)

fig10: setup  ## the paper's Fig. 10, checked against what was measured; ARGS="--quick"
	@$(PANTHER) paper fig10 $(ARGS)

paper: setup  ## all tables and figures of the paper on one page, runs/paper; ARGS="--quick"
	@$(PANTHER) paper all $(ARGS)

effects: setup  ## accuracy against the strength of every effect of devices: docs/effects.png
	@$(PANTHER) study run examples/effects.study.yaml $(ARGS)
	@$(PYTHON) -m panther.device.effects runs/studies/effects docs/effects.png

updates: setup  ## encodings of the outer product, and CRS by headroom: what they buy on digits
	@$(PYTHON) -m benchmarks.updates $(ARGS)

vgg16: setup  ## a training step of VGG-16 at transaction level, every cell as golden's: 2 minutes
	@$(PYTHON) -m benchmarks.networks vgg16 $(ARGS)

design: setup  ## accuracy on digits against energy, time and area of 207 designs: docs/design-space.png
	@$(PANTHER) study run examples/design.study.yaml $(ARGS)
	@$(PANTHER) study pareto runs/studies/design --picture docs/design-space.png \
		--colour hidden --shape mode --title "Training digits: what an example costs on 207 designs"

study-crash: setup  ## a study of 64 points, killed and resumed, in processes and on Dask
	@$(PYTHON) -m tests.panther.study.campaign $(ARGS)

frontends: setup .venv-torch/ready  ## test models from PyTorch; downloads its 3 GB once
	@.venv-torch/bin/python -m pytest -q tests/panther/frontends tests_torch $(ARGS)

.venv-torch/ready: pyproject.toml requirements.lock
	@$(PYTHON) -m venv .venv-torch
	@.venv-torch/bin/python -m pip install -q --no-input -c requirements.lock -e '.[frontends]'
	@touch $@

lint: setup  ## ruff and mypy
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

doctor: setup  ## show the tools found, their versions, and what to install
	@$(PANTHER) doctor

clean:  ## remove what was built, but not .venv
	@rm -rf build runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -path './.venv*' -prune -o -name __pycache__ -type d -exec rm -rf {} +
