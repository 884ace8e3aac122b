# `snakemake tune`: epochs and learning rates of dense models. No part of `all`; its result is a
# study of its own, results/tuning/tuned.yaml.


# The search's memory, search.db, is no output: Snakemake takes those away when a job is stopped.
rule search:
    input:
        inputs=LAYOUT.inputs,
    output:
        trials=LAYOUT.search("trials.csv"),
        best=LAYOUT.search("best.json"),
        figure=directory(LAYOUT.search("figure")),
    log:
        LAYOUT.log("search", "dataset", "arch"),
    conda:
        CONDA
    threads: 1
    params:
        settings=search_settings,
    shell:
        "prunescope tune --settings {params.settings:q} --inputs {input.inputs:q}"
        ' --out "$(dirname {output.best:q})" --threads {threads} > {log:q} 2>&1'


rule tuned:
    input:
        GRID.searches("best.json"),
    output:
        config=LAYOUT.tuning("tuned.yaml"),
        table=LAYOUT.tuning("tuning.csv"),
    log:
        LAYOUT.tuning("tuned.log"),
    conda:
        CONDA
    params:
        config=json.dumps(config),
        version=VERSION["tune"],
    shell:
        "prunescope tuned --config {params.config:q} --best {input:q}"
        ' --out "$(dirname {output.config:q})" > {log:q} 2>&1'


# `snakemake tune`
rule tune:
    input:
        tuned_files,
