# prunescope: every pruner on every data set under every analysis. A contents page; the rules are in
# workflow/rules, the names of all files in src/prunescope/paths.py, the settings in config.yaml.


# Loaded only where no --configfile is given: Snakemake would merge the two, and studies must not.
if not workflow.config_settings.configfiles:

    configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/tune.smk"


onstart:
    refuse_impossible_networks()
    hold_results()


localrules:
    all,
    manifest,
    tune,
    tuned,


rule all:
    default_target: True
    input:
        f"{STUDY.results}/index.html",
        f"{STUDY.results}/paper/index.html",
        results_of(),


# `snakemake digits`: one data set, from its texts or pictures to its own pages.
for dataset in dict.fromkeys(cell.dataset for cell in STUDY.cells):

    rule:
        name:
            dataset
        input:
            f"{STUDY.results}/only/{dataset}/index.html",
            f"{STUDY.results}/only/{dataset}/paper/index.html",
            results_of(dataset),
        localrule: True
