# From prediction tables to tables; no model is seen from here on.


# Once for all cells that are compared with the same dense models.
rule el2n:
    input:
        early=GRID.early,
        final=GRID.final,
    output:
        LAYOUT.el2n,
    log:
        LAYOUT.log("el2n", "dataset", "arch", "seeds"),
    conda:
        CONDA
    params:
        seeds=GRID.el2n_seeds,
        version=VERSION["el2n"],
    shell:
        "prunescope el2n --early {input.early:q} --final {input.final:q} --seeds {params.seeds:q} --out {output:q} > {log:q} 2>&1"


rule cell:
    input:
        dense_test=GRID.dense("test.parquet"),
        pruned_test=GRID.pruned("test.parquet"),
        dense_train=GRID.dense("train.parquet"),
        pruned_train=GRID.pruned("train.parquet"),
        el2n=GRID.el2n,
        metrics=GRID.pruned("metrics.json"),
        readability=GRID.readability,
        weights=GRID.weights,
        table=GRID.group_table,
    output:
        test=LAYOUT.cell("test/summary.json"),
        train=LAYOUT.cell("train/summary.json"),
        models=LAYOUT.cell("models.json"),
    log:
        LAYOUT.log("cell", "dataset", "arch", "pruner", "amount"),
    conda:
        CONDA
    params:
        seeds=GRID.seeds,
        confidence=STUDY.analysis.confidence,
        bins=STUDY.analysis.bins,
        groups=GRID.groups,
        version=VERSION["cell"],
    shell:
        "prunescope cell --dense-test {input.dense_test:q} --pruned-test {input.pruned_test:q}"
        " --dense-train {input.dense_train:q} --pruned-train {input.pruned_train:q}"
        " --el2n {input.el2n:q} --metrics {input.metrics:q} --readability {input.readability:q}"
        " --weights {input.weights:q} --table {input.table:q} --groups {params.groups:q}"
        " --seeds {params.seeds:q} --confidence {params.confidence} --bins {params.bins}"
        ' --out "$(dirname {output.models:q})" > {log:q} 2>&1'


# A list in a file: thousands of folders do not fit into a command line.
rule manifest:
    input:
        GRID.cell_files("models.json"),
    output:
        LAYOUT.scoped("cells.txt"),
    log:
        LAYOUT.scoped("cells.log"),
    params:
        cells=GRID.cell_files(""),
    run:
        write_text(output[0], "".join(f"{cell}\n" for cell in params.cells))


rule tables:
    input:
        cells=LAYOUT.scoped("cells.txt"),
    output:
        **{
            table: report(
                LAYOUT.scoped(f"tables/{table}.csv"),
                caption=f"../report/tables/{table}.rst",
                category="Tables",
                labels={"table": table},
            )
            for table in TABLES
        },
        latex=directory(LAYOUT.scoped("tables/latex")),
    log:
        LAYOUT.scoped("tables/tables.log"),
    conda:
        CONDA
    params:
        analysis=settings_of(STUDY.analysis),
        sources=json.dumps(
            {name: dataset.source for name, dataset in STUDY.datasets.items()},
            sort_keys=True,
        ),
        version=VERSION["tables"],
    shell:
        "prunescope tables --cells {input.cells:q} --analysis {params.analysis:q}"
        " --sources {params.sources:q}"
        ' --out "$(dirname {output.effectiveness:q})" > {log:q} 2>&1'
