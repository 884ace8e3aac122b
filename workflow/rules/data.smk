# Data sets: tables with a card, encodings per arch, readability. Downloads (data sets and
# pretrained checkpoints) happen where Snakemake itself runs: nodes of a cluster need no internet access.


rule dataset:
    output:
        train=LAYOUT.data("train.parquet"),
        validation=LAYOUT.data("validation.parquet"),
        test=LAYOUT.data("test.parquet"),
        card=LAYOUT.data("card.json"),
        page=LAYOUT.data("card.md"),
    log:
        LAYOUT.log("dataset", "dataset"),
    localrule: True
    conda:
        CONDA
    params:
        settings=dataset_settings,
        version=VERSION["data"],
    shell:
        "prunescope dataset --name {wildcards.dataset:q} --settings {params.settings:q}"
        ' --out "$(dirname {output.card:q})" > {log:q} 2>&1'


rule pretrained:
    output:
        LAYOUT.pretrained,
    log:
        LAYOUT.log("pretrained", "arch"),
    localrule: True
    conda:
        CONDA
    params:
        arch=GRID.arch_settings,
    shell:
        "prunescope pretrained --arch {wildcards.arch:q} --settings {params.arch:q}"
        " --out {output:q} > {log:q} 2>&1"


rule encode:
    input:
        pretrained=GRID.pretrained,
        train=LAYOUT.data("train.parquet"),
        validation=LAYOUT.data("validation.parquet"),
        test=LAYOUT.data("test.parquet"),
    output:
        LAYOUT.inputs,
    log:
        LAYOUT.log("encode", "dataset", "arch"),
    conda:
        CONDA
    params:
        dataset=dataset_settings,
        arch=GRID.arch_settings,
        version=VERSION["encode"],
    shell:
        'prunescope encode --data "$(dirname {input.train:q})"'
        " --dataset {wildcards.dataset:q} --dataset-settings {params.dataset:q}"
        " --arch {wildcards.arch:q} --arch-settings {params.arch:q} --out {output:q} > {log:q} 2>&1"


rule readability:
    input:
        LAYOUT.data("test.parquet"),
    output:
        LAYOUT.data("readability.parquet"),
    log:
        LAYOUT.log("readability", "dataset"),
    conda:
        CONDA
    threads: 2
    params:
        version=VERSION["readability"],
    shell:
        "prunescope readability --texts {input:q} --out {output:q} --processes {threads} > {log:q} 2>&1"
