# Models: dense ones, from which pruners of trained models start, and pruned ones.
# One job is one block of seeds of one cell. It leaves prediction tables, which are all that later stages read.
# While it trains it keeps its progress in a folder that no rule names: Snakemake deletes the outputs of a job that
# failed or was killed, and the next attempt resumes from there.


rule train:
    input:
        inputs=LAYOUT.inputs,
        start=GRID.start,
    output:
        test=LAYOUT.model("test.parquet"),
        train=LAYOUT.model("train.parquet"),
        early=LAYOUT.model("early.parquet"),
        metrics=LAYOUT.model("metrics.json"),
        checkpoint=kept(
            LAYOUT.model("checkpoint.safetensors"), STUDY.keep_dense_checkpoints
        ),
    log:
        LAYOUT.log("train", "dataset", "arch", "pruner", "amount", "block"),
    wildcard_constraints:
        pruner=NO_PRUNER,
    conda:
        CONDA
    threads: 1
    resources:
        **TRAINING,
    params:
        settings=GRID.job_settings,
        version=VERSION["model"],
    shell:
        "prunescope model --settings {params.settings:q} --inputs {input.inputs:q}"
        " --test {output.test:q} --train {output.train:q} --early {output.early:q}"
        " --metrics {output.metrics:q} --checkpoint {output.checkpoint:q}"
        ' --progress "$(dirname {output.metrics:q})/unfinished"'
        " --interval {resources.checkpoint_seconds} --gpu-memory {resources.gpu_mem_mb}"
        " --threads {threads} > {log:q} 2>&1"


rule prune:
    input:
        inputs=LAYOUT.inputs,
        dense=GRID.dense_checkpoints,
        # Not `ancient`, although these are rebuilt to the same bytes: Snakemake would miss that a level's own
        # settings have changed.
        below=GRID.level_below,
    output:
        test=LAYOUT.model("test.parquet"),
        train=LAYOUT.model("train.parquet"),
        metrics=LAYOUT.model("metrics.json"),
        models=kept(LAYOUT.model("models.safetensors"), STUDY.keep_models),
    log:
        LAYOUT.log("prune", "dataset", "arch", "pruner", "amount", "block"),
    wildcard_constraints:
        pruner=any_of(GRID.others),
    conda:
        CONDA
    threads: 1
    resources:
        **TRAINING,
    params:
        settings=GRID.job_settings,
        version=pruned_version,
    shell:
        "prunescope model --settings {params.settings:q} --inputs {input.inputs:q}"
        " --test {output.test:q} --train {output.train:q} --metrics {output.metrics:q}"
        " --models {output.models:q} --dense {input.dense:q} {input.below:q}"
        ' --progress "$(dirname {output.metrics:q})/unfinished"'
        " --interval {resources.checkpoint_seconds} --gpu-memory {resources.gpu_mem_mb}"
        " --threads {threads} > {log:q} 2>&1"


# A level of iterative pruning differs in what it starts from, which then also stays where dense checkpoints do.
use rule prune as level with:
    output:
        test=LAYOUT.model("test.parquet"),
        train=LAYOUT.model("train.parquet"),
        metrics=LAYOUT.model("metrics.json"),
        models=kept(
            LAYOUT.model("models.safetensors"), keeps_models(STUDY, GRID.in_levels[0])
        ),
    wildcard_constraints:
        pruner=any_of(GRID.in_levels),


# Its models stay until they are measured, even where nothing else keeps them.
rule weights:
    input:
        models=GRID.models,
        metrics=LAYOUT.model("metrics.json"),
        inputs=GRID.exported_on,
    output:
        LAYOUT.model("weights.json"),
    log:
        LAYOUT.log("weights", "dataset", "arch", "pruner", "amount", "block"),
    conda:
        CONDA
    params:
        version=VERSION["weights"],
    shell:
        "prunescope weights --models {input.models:q} --metrics {input.metrics:q} --inputs {input.inputs:q}"
        " --out {output:q} > {log:q} 2>&1"
