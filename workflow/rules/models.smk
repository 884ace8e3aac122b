# Models: dense ones, the shared start of all that prune a trained model, and pruned ones.
# One job is one block of seeds of one cell; it leaves prediction tables, which is all that is read of
# it from then on. While it trains it keeps its progress in a folder that no rule names: Snakemake takes away the
# outputs of a job that failed or was killed, and the next try goes on from there.


rule train:
    input:
        inputs=LAYOUT.inputs,
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
        runtime=asked("runtime"),
        mem_mb=asked("mem_mb"),
        gpu_mem_mb=asked("gpu_mem_mb"),
        # Not a parameter: another interval reruns nothing.
        checkpoint_seconds=str(STUDY.checkpoint_seconds),
    params:
        settings=job_settings,
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
        dense=dense_checkpoint,
    output:
        test=LAYOUT.model("test.parquet"),
        train=LAYOUT.model("train.parquet"),
        metrics=LAYOUT.model("metrics.json"),
        models=kept(LAYOUT.model("models.safetensors"), STUDY.keep_models),
    log:
        LAYOUT.log("prune", "dataset", "arch", "pruner", "amount", "block"),
    wildcard_constraints:
        pruner=any_of(OTHERS),
    conda:
        CONDA
    threads: 1
    resources:
        runtime=asked("runtime"),
        mem_mb=asked("mem_mb"),
        gpu_mem_mb=asked("gpu_mem_mb"),
        # Not a parameter: another interval reruns nothing.
        checkpoint_seconds=str(STUDY.checkpoint_seconds),
    params:
        settings=job_settings,
        version=pruned_version,
    shell:
        "prunescope model --settings {params.settings:q} --inputs {input.inputs:q}"
        " --test {output.test:q} --train {output.train:q} --metrics {output.metrics:q}"
        " --models {output.models:q} --dense {input.dense:q}"
        ' --progress "$(dirname {output.metrics:q})/unfinished"'
        " --interval {resources.checkpoint_seconds} --gpu-memory {resources.gpu_mem_mb}"
        " --threads {threads} > {log:q} 2>&1"


# A level starts from the models of the level below. These are not `ancient`, although they are
# rebuilt to the same bytes: Snakemake then misses that a level's own settings have changed.
rule level:
    input:
        inputs=LAYOUT.inputs,
        dense=dense_checkpoint,
        below=level_below,
    output:
        test=LAYOUT.model("test.parquet"),
        train=LAYOUT.model("train.parquet"),
        metrics=LAYOUT.model("metrics.json"),
        models=kept(LAYOUT.model("models.safetensors"), keeps_models(STUDY, IN_LEVELS[0])),
    log:
        LAYOUT.log("prune", "dataset", "arch", "pruner", "amount", "block"),
    wildcard_constraints:
        pruner=any_of(IN_LEVELS),
    conda:
        CONDA
    threads: 1
    resources:
        runtime=asked("runtime"),
        mem_mb=asked("mem_mb"),
        gpu_mem_mb=asked("gpu_mem_mb"),
        # Not a parameter: another interval reruns nothing.
        checkpoint_seconds=str(STUDY.checkpoint_seconds),
    params:
        settings=job_settings,
        version=VERSION["model"],
    shell:
        "prunescope model --settings {params.settings:q} --inputs {input.inputs:q}"
        " --test {output.test:q} --train {output.train:q} --metrics {output.metrics:q}"
        " --models {output.models:q} --dense {input.dense:q} {input.below:q}"
        ' --progress "$(dirname {output.metrics:q})/unfinished"'
        " --interval {resources.checkpoint_seconds} --gpu-memory {resources.gpu_mem_mb}"
        " --threads {threads} > {log:q} 2>&1"


# Its models stay until they are measured, even where nothing else keeps them.
rule weights:
    input:
        models=networks_of,
        metrics=LAYOUT.model("metrics.json"),
    output:
        LAYOUT.model("weights.json"),
    log:
        LAYOUT.log("weights", "dataset", "arch", "pruner", "amount", "block"),
    conda:
        CONDA
    params:
        version=VERSION["weights"],
    shell:
        "prunescope weights --models {input.models:q} --metrics {input.metrics:q}"
        " --out {output:q} > {log:q} 2>&1"
