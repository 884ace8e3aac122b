"""Pages and figures do not depend on the order in which Python iterates over sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RENDER = """
import sys
from pathlib import Path
from prunescope.figures.drawing import draw
from prunescope.site.build import build
from tests.support.fake_study import results_tree, study

grid = [{"datasets": ["digits"], "archs": ["lenet5"], "pruners": ["MP", "RP", "GP", "UP", "CHIP"], "ratios": [4, 100]}]
root = Path("results")
settings = study(grid=grid)
found = results_tree(root, settings, n=60)
for family in ("accuracy_alpha", "pie_share_seeds"):
    draw(family, root / "tables", found["cells"], root / "figures" / family)
build(study=settings, cells=found["dense"] + found["cells"], tables=root / "tables", figures=root / "figures",
      cards=found["cards"], out=root / "index.html")
"""


def test_same_bytes_under_two_hash_seeds(tmp_path: Path) -> None:
    runs = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        runs.append((folder, subprocess.Popen([sys.executable, "-c", RENDER], cwd=folder, env=environment)))
    assert [process.wait() for _, process in runs] == [0, 0]
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        for folder, _ in runs
    )
    assert first.keys() == second.keys()
    assert [str(path) for path in first if first[path] != second[path]] == []
