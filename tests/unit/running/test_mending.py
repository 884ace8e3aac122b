"""The ledger of a results tree: what is not what was written is found, set aside, rebuilt and reported."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from prunescope.errors import BadFileError, DamagedFileError, UserError
from prunescope.files import atomic_directory, ledger, sweep, write_text
from prunescope.running.mending import Mender, set_aside

CELL = "cells/digits/lenet5/{}/sparsity-500permille"
MODEL = "models/digits/lenet5/{}/sparsity-500permille/seeds-0-1/{}"

FILES = [
    "data/digits/train.parquet",
    "data/digits/card.json",
    "data/digits/inputs/lenet5.safetensors",
    *(MODEL.format(pruner, name) for pruner in ("MP", "IMP-FT") for name in ("test.parquet", "metrics.json")),
    MODEL.format("MP", "models.safetensors"),
    "cells/digits/lenet5/el2n-seeds-0-1.parquet",
    CELL.format("MP") + "/models.json",
    "tables/alpha.csv",
    "index.html",
    "report/figures.html",
]
FOLDERS = {
    CELL.format("MP") + "/test": ("summary.json", "pies.parquet"),
    "figures/alpha": ("digits.svg", "digits.csv"),
    "paper": ("index.html", "pie/table-4.csv"),
}
#: What Snakemake knows of them.
TARGETS = {
    *FILES[:-1],
    CELL.format("MP") + "/test/summary.json",
    "figures/alpha",
    "paper/index.html",
}
ALL = [*FILES, *(f"{folder}/{name}" for folder, names in FOLDERS.items() for name in names)]


def write(results: Path, target: str | None = None) -> None:
    """Write all files, or those of a target, each with bytes of its own."""
    for name in FILES:
        if target in (None, name) or (target == "index.html" and name.startswith("report/")):
            write_text(results / name, f"the bytes of {name}\n")
    for folder, names in FOLDERS.items():
        if target is None or target in (folder, f"{folder}/summary.json", f"{folder}/index.html"):
            with atomic_directory(results / folder) as made:
                for name in names:
                    write_text(made / name, f"the bytes of {folder}/{name}\n")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "results/.prunescope").mkdir(parents=True)
    write(tmp_path / "results")
    assert Mender(tmp_path / "results", TARGETS).check(before=False) == []
    return tmp_path / "results"


def stand(results: Path) -> dict[str, tuple[bytes, int]]:
    return {name: ((results / name).read_bytes(), (results / name).stat().st_mtime_ns) for name in ALL}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def quiet_flip(path: Path) -> None:
    """With the times of before."""
    found = path.stat()
    flip(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5]),
    "flipped": flip,
    "flipped, same times": quiet_flip,
    "edited": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "deleted": lambda path: path.unlink(),
}


def mended(results: Path, name: str, damage: str) -> None:
    whole = stand(results)
    DAMAGES[damage](results / name)
    mender = Mender(results, TARGETS)
    (found,) = mender.check(before=True)
    assert (found.file, found.target in TARGETS) == (name, True)
    asked: list[str] = []

    def rebuild(targets: list[str]) -> int:
        asked.extend(targets)
        for target in targets:
            write(results, target)
        return 0

    assert mender.mend([found], rebuild) == 0
    assert asked == [found.target]
    # Bytes and times, so that nothing is redone.
    assert stand(results) == whole
    assert mender.check(before=False) == []
    (line,) = mender.done()
    assert line == f"{results / name}: {found.what}; rebuilt"
    assert Mender(results, TARGETS).check(before=True) == []
    assert not (results / ".prunescope/aside").exists()


def test_every_damage_of_every_kind_of_file_is_mended(results: Path) -> None:
    for name in ALL:
        for damage in DAMAGES:
            mended(results, name, damage)


def test_another_files_content_is_named_as_what_it_is(results: Path) -> None:
    mine, other = (MODEL.format(pruner, "test.parquet") for pruner in ("MP", "IMP-FT"))
    shutil.copyfile(results / other, results / mine)
    with pytest.raises(DamagedFileError, match=f"{mine}: the content of {other}, not of {mine}"):
        ledger.require([results / mine])


@pytest.mark.parametrize("moment", [0, 10**9, 4 * 10**9])
def test_times_that_were_changed_are_set_back(results: Path, moment: float) -> None:
    whole = stand(results)
    for name in ALL:
        os.utime(results / name, (moment, moment))
    assert Mender(results, TARGETS).check(before=True) == []
    assert stand(results) == whole


def test_a_copied_tree_is_as_good(results: Path, tmp_path: Path) -> None:
    whole = stand(results)
    shutil.copytree(results, tmp_path / "copy", copy_function=shutil.copyfile)
    assert Mender(tmp_path / "copy", TARGETS).check(before=True) == []
    assert stand(tmp_path / "copy") == whole


def test_older_trees_are_read_and_get_records(results: Path) -> None:
    shutil.rmtree(results / ".prunescope")
    (results / ".prunescope").mkdir()
    ledger.require(results / name for name in ALL)
    assert Mender(results, TARGETS).check(before=True) == []
    # Every file, as if the tree were a new one: pages too, and what appears with a folder.
    for name in ALL:
        mended(results, name, "flipped")
    assert not ledger.Ledger(results).read("figures/alpha/digits.svg")


def test_what_a_folder_held_before_is_no_more_on_record(results: Path) -> None:
    write_text(results / "figures/alpha/old.svg", "by itself")
    write(results, "figures/alpha")
    assert Mender(results, TARGETS).check(before=True) == []


def test_records_that_cannot_be_read_are_none(results: Path) -> None:
    record = results / ".prunescope/made/tables/alpha.csv.json"
    for text in ("", "{", "[]", '{".": 3}', '{".": {"sha": 1}}'):
        record.write_text(text)
        ledger.require([results / "tables/alpha.csv"])
        assert Mender(results, TARGETS).check(before=True) == []


def test_what_no_stage_writes_any_more_is_forgotten(results: Path) -> None:
    (results / "report/figures.html").unlink()
    mender = Mender(results, TARGETS)

    def rebuild(targets: list[str]) -> int:
        write_text(results / "index.html", "another page")
        return 0

    assert mender.mend(mender.check(before=True), rebuild) == 0
    assert Mender(results, TARGETS).check(before=True) == []


def test_a_folders_time_in_the_future_is_set_back(results: Path) -> None:
    marker = results / "figures/alpha/.snakemake_timestamp"
    marker.touch()
    os.utime(marker, (4e9, 4e9))
    assert Mender(results, TARGETS).check(before=True) == []
    newest = max((results / "figures/alpha" / name).stat().st_mtime for name in FOLDERS["figures/alpha"])
    assert marker.stat().st_mtime == pytest.approx(newest)


def test_a_folder_in_place_of_a_file_is_set_aside(results: Path) -> None:
    path = results / "tables/alpha.csv"
    path.unlink()
    path.mkdir()
    (path / "x").touch()
    mender = Mender(results, TARGETS)
    found = mender.check(before=True)
    assert [(damage.file, damage.what) for damage in found] == [("tables/alpha.csv", "a folder in its place")]

    def rebuild(targets: Sequence[str]) -> int:
        write(results, "tables/alpha.csv")
        return 0

    assert mender.mend(found, rebuild) == 0
    assert path.read_text() == "the bytes of tables/alpha.csv\n"


def test_outputs_that_a_failed_job_left_out_are_not_called_missing_by_the_next_run(results: Path) -> None:
    said: list[str] = []

    def fails(targets: Sequence[str]) -> int:
        # Snakemake removes what a failed job has written.
        shutil.rmtree(results / "figures/alpha")
        (results / MODEL.format("MP", "test.parquet")).unlink()
        return 1

    assert Mender(results, TARGETS).until_whole(fails, said.append) == (1, [])
    assert Mender(results, TARGETS).check(before=True) == []
    # A file that goes missing between runs is named.
    (results / "tables/alpha.csv").unlink()
    assert [damage.file for damage in Mender(results, TARGETS).check(before=True)] == ["tables/alpha.csv"]
    assert said == []


def test_files_of_cells_that_a_study_no_longer_names_are_left_alone(results: Path) -> None:
    flip(results / MODEL.format("IMP-FT", "test.parquet"))
    named = {target for target in TARGETS if "IMP-FT" not in target}
    assert Mender(results, named).check(before=True) == []


def test_a_stage_sets_a_damaged_file_aside_with_what_has_it_rebuilt(results: Path) -> None:
    path = results / CELL.format("MP") / "test/pies.parquet"
    flip(path)
    with pytest.raises(DamagedFileError) as caught:
        ledger.require([path])
    said = str(set_aside(caught.value))
    assert said.startswith(f"{path}: changed since it was written")
    assert said.endswith("set aside: run the same command again to rebuild it")
    # Snakemake knows of the summary alone.
    assert not path.exists()
    assert not path.with_name("summary.json").exists()
    found = Mender(results, TARGETS).check(before=True)
    assert {damage.target for damage in found} == {CELL.format("MP") + "/test/summary.json"}


def test_a_good_file_that_was_named_by_mistake_stays(results: Path, tmp_path: Path) -> None:
    good = results / "data/digits/card.json"
    assert isinstance(set_aside(BadFileError(good, "not a checkpoint")), BadFileError)
    assert good.exists()
    own = tmp_path / "own.json"
    own.write_text("{")
    assert isinstance(set_aside(BadFileError(own, "not JSON")), UserError)
    assert own.exists()


def test_metrics_stay_where_the_models_are_the_same(results: Path) -> None:
    """They hold seconds, which no second training repeats."""
    table, metrics = (results / MODEL.format("MP", name) for name in ("test.parquet", "metrics.json"))
    whole = stand(results)
    flip(table)
    mender = Mender(results, TARGETS)

    def rebuild(targets: list[str]) -> int:
        write(results, targets[0])
        write_text(metrics, "other seconds")
        return 0

    assert mender.mend(mender.check(before=True), rebuild) == 0
    assert stand(results) == whole


def test_dense_models_come_before_pruned_ones_and_tables_last(results: Path) -> None:
    pages = ("report/figures.html", "paper/pie/table-4.csv", "tables/alpha.csv")
    for name in (*pages, MODEL.format("MP", "models.safetensors"), "data/digits/card.json"):
        flip(results / name)
    found = Mender(results, TARGETS).check(before=True)
    assert [damage.file.split("/")[0] for damage in found] == ["data", "models", "tables", "paper", "report"]


def test_rubbish_of_dead_writers_goes_and_links_are_not_followed(results: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    scratch = results / "tables/.alpha.csv.0.part"
    scratch.mkdir()
    (scratch / "alpha.csv").write_text("half")
    (scratch / "away").symlink_to(outside)
    (results / ".link.0.part").symlink_to(outside)
    (results / "tables/alpha.csv.damaged").write_text("x")
    (results / "tables/.test.parquet.luhum9uy.part.parquet").write_text("x")
    whole = stand(results)
    with atomic_directory(results / "living") as living:
        (living / "kept").write_text("x")
        sweep(results)
    assert (results / "living/kept").exists()
    assert not scratch.exists()
    assert sorted(path.name for path in (results / "tables").iterdir()) == ["alpha.csv"]
    assert (outside / "precious").exists()
    assert stand(results) == whole


def test_what_is_set_aside_is_not_missed_by_the_job_that_makes_it(results: Path) -> None:
    """The encoded inputs lie in the data set's folder, which the job that encodes reads."""
    inputs = results / "data/digits/inputs/lenet5.safetensors"
    inputs.unlink()
    with pytest.raises(DamagedFileError, match="missing"):
        ledger.require([], [results / "data/digits"])
    write(results, "data/digits/inputs/lenet5.safetensors")
    flip(inputs)
    mender = Mender(results, TARGETS)

    def rebuild(targets: list[str]) -> int:
        ledger.require([], [results / "data/digits"])
        write(results, targets[0])
        return 0

    assert mender.mend(mender.check(before=True), rebuild) == 0
    mender.done()
    ledger.require([], [results / "data/digits"])
