"""`python -m vonggac.sim`: the simulated cameras without the rest of the command line."""

from vonggac.sim.commands import sim

sim(prog_name="python -m vonggac.sim")
