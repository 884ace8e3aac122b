"""A whole study through SLURM and through none, compared byte for byte: `python -m tests.slurm.embedded`.

Not a test of every change: the embedded study takes half an hour on two cores. Times and memory, and so the
metrics and the pages that show them, differ; data, models, predictions, tables and figures must not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import yaml

from tests.slurm.conftest import ROOT, Site, temporary_cluster

COMPARED = (".csv", ".parquet", ".safetensors", ".png", ".svg")


def files(results: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(results): path.read_bytes()
        for path in results.rglob("*")
        if path.suffix in COMPARED and "logs" not in path.parts
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configfile", type=Path, default=ROOT / "config.yaml")
    study = yaml.safe_load(parser.parse_args().configfile.read_text())
    with tempfile.TemporaryDirectory() as place, temporary_cluster() as (cluster, _):
        site = Site(cluster, Path(place, "site"), study)
        local = Path(place, "local")
        local.mkdir()
        if site.start(patience=300).wait():
            print(site.said[-2000:])
            return 1
        command = ["snakemake", f"--snakefile={ROOT / 'Snakefile'}", f"--profile={ROOT / 'profiles/default'}"]
        subprocess.run(
            [*command, f"--configfile={site.folder / 'study.yaml'}", "--quiet=all"],
            cwd=local,
            env=site.env,
            check=True,
        )
        one, other = files(site.results), files(local / "results")
        print("compared:", dict(Counter(path.suffix for path in one)))
        differ = sorted(str(path) for path in one.keys() | other.keys() if one.get(path) != other.get(path))
        print("differ:", ", ".join(differ) or "none")
        return 1 if differ or not one else 0


if __name__ == "__main__":
    sys.exit(main())
