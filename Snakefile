# For `snakemake` in this folder. The contents page is workflow/Snakefile.


include: "workflow/Snakefile"


# An included file does not set it.
workflow.default_target = "all"
