# Pictures and pages, from tables alone: touching them retrains nothing.


rule figures:
    input:
        cells=LAYOUT.scoped("cells.txt"),
        tables=LAYOUT.scoped("tables/effectiveness.csv"),
    output:
        LAYOUT.scoped("figures/figures.json"),
    params:
        version=VERSION["figures"],
    log:
        LAYOUT.scoped("figures/figures.log"),
    shell:
        "prunescope figures --cells {input.cells:q} --tables $(dirname {input.tables:q})"
        " --out $(dirname {output:q}) > {log:q} 2>&1"


rule site:
    input:
        cells=LAYOUT.scoped("cells.txt"),
        tables=LAYOUT.scoped("tables/effectiveness.csv"),
        figures=LAYOUT.scoped("figures/figures.json"),
        cards=cards,
    output:
        LAYOUT.scoped("index.html"),
    params:
        settings=site_settings,
        version=VERSION["report"],
    log:
        LAYOUT.scoped("report.log"),
    shell:
        "prunescope site --settings {params.settings:q} --cells {input.cells:q}"
        " --tables $(dirname {input.tables:q}) --figures $(dirname {input.figures:q})"
        " --cards {input.cards:q} --out {output:q} > {log:q} 2>&1"
