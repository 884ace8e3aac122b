"""Studies on a SLURM cluster: set-up of Snakemake's profile, and a supervisor of long runs.

Of SLURM itself, sbatch, squeue and scancel are used, and nothing else.
"""
