# Figures and pages, from tables alone: changing them retrains nothing.


rule figures:
    input:
        cells=LAYOUT.scoped("cells.txt"),
        tables=LAYOUT.scoped("tables/effectiveness.csv"),
        # All of them: an older results tree gets the tables that a newer version adds.
        all_tables=[LAYOUT.scoped(f"tables/{table}.csv") for table in TABLES],
    output:
        *[
            report(
                directory(LAYOUT.scoped(f"figures/{name}")),
                # The wildcard's name says to the caption which family a file is of.
                patterns=[f"{{{name}}}.svg"],
                caption="../report/figures.rst",
                category="Figures",
                subcategory=family.title,
                labels={"figure": f"{{{name}}}"},
            )
            for name, family in FAMILIES.items()
        ],
        index=LAYOUT.scoped("figures/figures.json"),
    log:
        LAYOUT.scoped("figures/figures.log"),
    conda:
        CONDA
    threads: 2
    params:
        version=VERSION["figures"],
        captions={name: family.caption for name, family in FAMILIES.items()},
    shell:
        'prunescope figures --cells {input.cells:q} --tables "$(dirname {input.tables:q})"'
        ' --out "$(dirname {output.index:q})" --processes {threads} > {log:q} 2>&1'


rule paper:
    input:
        cells=LAYOUT.scoped("cells.txt"),
        tables=LAYOUT.scoped("tables/effectiveness.csv"),
        figures=LAYOUT.scoped("figures/figures.json"),
        cards=GRID.cards,
    output:
        *[LAYOUT.scoped(f"paper/{name}") for name in PAPER_FILES[1:]],
        page=LAYOUT.scoped(f"paper/{PAPER_FILES[0]}"),
    log:
        LAYOUT.scoped("paper.log"),
    conda:
        CONDA
    params:
        settings=GRID.report_settings,
        version=VERSION["paper"],
    shell:
        "prunescope paper --settings {params.settings:q} --cells {input.cells:q}"
        ' --tables "$(dirname {input.tables:q})" --figures "$(dirname {input.figures:q})"'
        ' --cards {input.cards:q} --out "$(dirname {output.page:q})" > {log:q} 2>&1'


rule site:
    input:
        paper=LAYOUT.scoped("paper/index.html"),
        cells=LAYOUT.scoped("cells.txt"),
        tables=LAYOUT.scoped("tables/effectiveness.csv"),
        figures=LAYOUT.scoped("figures/figures.json"),
        # As in rule figures.
        further=[
            LAYOUT.scoped("tables/latex"),
            *[LAYOUT.scoped(f"figures/{family}") for family in FAMILIES],
            *[LAYOUT.scoped(f"paper/{name}") for name in PAPER_FILES[1:]],
        ],
        cards=GRID.cards,
    output:
        LAYOUT.scoped("index.html"),
    log:
        LAYOUT.scoped("report.log"),
    conda:
        CONDA
    params:
        settings=GRID.report_settings,
        version=VERSION["report"],
    shell:
        "prunescope site --settings {params.settings:q} --cells {input.cells:q}"
        ' --tables "$(dirname {input.tables:q})" --figures "$(dirname {input.figures:q})"'
        " --cards {input.cards:q} --out {output:q} > {log:q} 2>&1"
