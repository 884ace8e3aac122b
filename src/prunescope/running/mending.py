"""Files of a results tree that are not what was written: found, set aside, rebuilt and reported.

A run compares the tree with its ledger (``files.ledger``) before it starts and after it ends. What is damaged,
foreign or missing is rebuilt first, in the study's order and by itself: what was made of it stays, as far as the
rebuilt file has the bytes of the old one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from prunescope.config.study import Study
from prunescope.errors import BadFileError, DamagedFileError, UserError
from prunescope.files import atomic_path, remove
from prunescope.files.ledger import STATE, Entry, Ledger, ledger_of
from prunescope.paths import folder_of, stage_of, target_of
from prunescope.running.workflow import WorkflowGrid

#: Snakemake's own file in a folder that is an output: its time counts for the folder's.
_TIME_OF_FOLDER = ".snakemake_timestamp"

#: Targets of one call: a command line has its limits.
_MANY = 500

#: Runs of Snakemake in a row that may each find more files damaged.
_ROUNDS = 4


@dataclass(frozen=True)
class Damage:
    """``file``: below the results folder; ``target``: what Snakemake is asked for to rebuild it; ``what`` is wrong."""

    file: str
    target: str
    what: str


def set_aside(error: DamagedFileError | BadFileError) -> UserError:
    """Move a file that a stage could not read out of the way; what to tell the user.

    A file outside a results tree, or one that is what was written, stays where it is.
    """
    path = Path(error.path)
    ledger = ledger_of(path)
    name = None if ledger is None else ledger.name(path)
    if ledger is None or name is None or not path.exists():
        return error
    entry = ledger.entry(path)
    if entry is not None and not entry.adopted and ledger.wrong(path, entry) is None:
        return error
    what = error.what if isinstance(error, BadFileError) else str(error).removeprefix(f"{path}: ")
    _move(ledger, Damage(name, target_of(name), what))
    return UserError(f"{path}: {what}; set aside: run the same command again to rebuild it")


def _note(ledger: Ledger, damage: Damage) -> Path:
    return ledger.aside / f"{damage.file}.why"


def _move(ledger: Ledger, damage: Damage) -> None:
    for name in {damage.file, damage.target}:
        path, aside = ledger.results / name, ledger.aside / name
        if path.exists() or path.is_symlink():
            remove(aside)
            aside.parent.mkdir(parents=True, exist_ok=True)
            path.rename(aside)
    note = _note(ledger, damage)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(damage.what, encoding="utf-8")


def settle(study: Study) -> None:
    """After a run of Snakemake: note the times of what it has made, and set back those of what it has put back."""
    Mender(Path(study.results), WorkflowGrid(study).outputs()).check(before=False)


def refuse_damaged(study: Study) -> None:
    """Before a Snakemake that nobody supervises submits jobs: set aside what is not what was written.

    Raises:
        UserError: something was; the next run rebuilds it.
    """
    mender = Mender(Path(study.results), WorkflowGrid(study).outputs())
    damages = [
        damage for damage in mender.check(before=True) if (mender.ledger.results / damage.file).exists()
    ]
    for damage in damages:
        _move(mender.ledger, damage)
    if damages:
        lines = "; ".join(f"{study.results}/{damage.file}: {damage.what}" for damage in damages[:3])
        more = f"; and {len(damages) - 3} more" if len(damages) > 3 else ""
        raise UserError(f"{lines}{more}; set aside: run the same command again to rebuild")


class Mender:
    """The ledger of a run.

    Args:
        results: the results folder.
        targets: all outputs of the study that stay, as named below it.
    """

    def __init__(self, results: Path, targets: Iterable[str]) -> None:
        self.ledger = Ledger(results)
        self.targets = set(targets)
        #: What was found in this run, by file.
        self.found: dict[str, str] = {}

    def until_whole(
        self, run: Callable[[Sequence[str]], int], say: Callable[[str], None], late: float = 0.0
    ) -> tuple[int, list[str]]:
        """Run Snakemake until the tree is complete and what it should be, or a job fails for another reason.

        Args:
            run: runs Snakemake for targets below the results folder, by force and for nothing that is made of them;
                without any, as the user asks for it. Returns its exit code.
            say: takes a line for every file that is rebuilt.
            late: seconds that a change by another machine may take to be seen on this one.

        Returns:
            The exit code, and a line for every file that was rebuilt.
        """
        damages = self._seen_twice(late, before=True)
        for _ in range(_ROUNDS):
            for damage in damages:
                say(f"{self.ledger.results / damage.file}: {damage.what}; rebuilding it")
            code = (self.mend(damages, run) if damages else 0) or run(())
            damages = self._seen_twice(late, before=False)
            if code:
                # What a failed job leaves out is no damage, neither now nor in the next run.
                for damage in damages:
                    if damage.what == "missing" and not (self.ledger.results / damage.target).exists():
                        self._forget(damage.file)
                damages = [damage for damage in damages if damage.what != "missing"]
            if not damages:
                break
        return (code or 1, []) if code or damages else (0, self.done())

    def _seen_twice(self, late: float, *, before: bool) -> list[Damage]:
        damages = self.check(before=before)
        if not damages or not late:
            return damages
        time.sleep(late)
        self.found.clear()
        return self.check(before=before)

    def check(self, *, before: bool) -> list[Damage]:
        """Compare the tree with the ledger; the study's files that are not what was written.

        Times that were changed by hand are set back, so that nothing is redone for them. Files without a record, of
        an older version, get one.

        Args:
            before: before Snakemake is started, and not after it has ended.
        """
        found, now = {damage.file: damage for damage in self._aside_before()}, time.time_ns()
        known = set()
        for output in list(self.ledger.outputs()):
            entries = self.ledger.read(output)
            fresh: dict[str, Entry] = {}
            for file, entry in entries.items():
                name = str(Path(output, file))
                target = target_of(name)
                known.add(name)
                path = self.ledger.results / name
                if target not in self.targets:
                    fresh[file] = entry
                    continue
                what = self.ledger.wrong(path, entry, quick=True)
                if what:
                    found.setdefault(name, Damage(name, target, what))
                    fresh[file] = entry
                else:
                    fresh[file] = _with_times(path, entry, now)
            if fresh != entries:
                self.ledger.write(output, fresh)
            self._marker_not_ahead(output, entries.values(), now)
        if before:
            self._adopt(known, now)
        self.found |= {file: damage.what for file, damage in found.items()}
        return sorted(found.values(), key=lambda damage: stage_of(damage.target))

    def _marker_not_ahead(self, output: str, entries: Iterable[Entry], now: int) -> None:
        """Snakemake's time of a folder that lies in the future would make all that reads the folder fail."""
        folder = self.ledger.results / output
        if (_time_of(folder) or 0) > now:
            latest = max((entry.mtime for entry in entries), default=now)
            os.utime(folder / _TIME_OF_FOLDER, ns=(latest, latest))

    def _aside_before(self) -> list[Damage]:
        """What jobs have set aside and no job has rebuilt."""
        found = []
        for place, _, files in os.walk(self.ledger.aside):
            for file in files:
                if file.endswith(".why"):
                    note = Path(place, file)
                    name = str(note.relative_to(self.ledger.aside)).removesuffix(".why")
                    there = (self.ledger.results / name).exists()
                    if target_of(name) in self.targets and not there:
                        found.append(Damage(name, target_of(name), note.read_text(encoding="utf-8")))
        return found

    def _adopt(self, known: Collection[str], now: int) -> None:
        """Give records to the study's files that have none: as one where they appear as one, in a folder."""
        outputs: dict[str, Path] = {}
        for place, folders, files in os.walk(self.ledger.results):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for path in (Path(place, name) for name in files):
                name = self.ledger.name(path)
                if name is None or name in known or target_of(name) not in self.targets:
                    continue
                if path.stat().st_mtime_ns > now:
                    os.utime(path)
                output = folder_of(name) or name
                outputs[output] = self.ledger.results / output
        for output, path in outputs.items():
            self.ledger.note(path)
            entries = self.ledger.read(output)
            self.ledger.write(output, {key: replace(entry, adopted=True) for key, entry in entries.items()})

    def mend(self, damages: Sequence[Damage], rebuild: Callable[[Sequence[str]], int]) -> int:
        """Set files aside and rebuild them, stage by stage; Snakemake's exit code.

        Args:
            rebuild: runs Snakemake for targets, and for nothing that is made of them.
        """
        times = {output: _time_of(self.ledger.results / output) for output in self.ledger.outputs()}
        for damage in damages:
            _move(self.ledger, damage)
        for _, group in groupby(damages, key=lambda damage: stage_of(damage.target)):
            together = list(group)
            targets = sorted({damage.target for damage in together})
            for first in range(0, len(targets), _MANY):
                before = {output: self.ledger.read(output) for output in self.ledger.outputs()}
                self._keep_beside(together)
                code = rebuild(targets[first : first + _MANY])
                if code:
                    return code
                self._put_back(together, before)
                for output, old in before.items():
                    self._set_back(output, old, times.get(output))
        for damage in damages:
            if not (self.ledger.results / damage.file).exists():
                # No stage writes it any more.
                self._forget(damage.file)
                _note(self.ledger, damage).unlink(missing_ok=True)
        return 0

    def _keep_beside(self, damages: Sequence[Damage]) -> None:
        """Keep the metrics of models of which another file is damaged."""
        for metrics in _metrics_beside(damages):
            kept = self.ledger.results / STATE / "kept" / metrics
            kept.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(self.ledger.results / metrics, kept)

    def _put_back(self, damages: Sequence[Damage], before: dict[str, dict[str, Entry]]) -> None:
        """Metrics hold times that no second training repeats: where the models are the same, the old ones stand."""
        for metrics in _metrics_beside(damages):
            kept, now = self.ledger.results / STATE / "kept" / metrics, self.ledger.results / metrics
            files = [damage.file for damage in damages if Path(damage.file).parent == Path(metrics).parent]
            same = all(
                file in before and _digests(self.ledger.read(file)) == _digests(before[file])
                for file in files
            )
            if same and kept.exists() and now.exists():
                with atomic_path(now) as temporary:
                    shutil.copyfile(kept, temporary)
        remove(self.ledger.results / STATE / "kept")

    def _set_back(self, output: str, old: dict[str, Entry], time_of_folder: int | None) -> None:
        """Give a rebuilt output the times that it had, if it has the same bytes: nothing is redone for it."""
        new = self.ledger.read(output)
        if new == old or _digests(new) != _digests(old):
            return
        settled = {}
        for file, entry in old.items():
            path = self.ledger.results / output / file
            if path.exists():
                settled[file] = _set_time(path, entry)
        marker = self.ledger.results / output / _TIME_OF_FOLDER
        if time_of_folder is not None and marker.exists():
            os.utime(marker, ns=(time_of_folder, time_of_folder))
        self.ledger.write(output, settled)

    def _forget(self, file: str) -> None:
        for output, name, _ in list(self.ledger.entries()):
            if name == file:
                rest = {
                    key: entry
                    for key, entry in self.ledger.read(output).items()
                    if str(Path(output, key)) != file
                }
                if rest:
                    self.ledger.write(output, rest)
                else:
                    self.ledger.forget(output)

    def done(self) -> list[str]:
        """Remove what was set aside; a line for every file that was rebuilt."""
        remove(self.ledger.aside)
        return [f"{self.ledger.results / file}: {what}; rebuilt" for file, what in sorted(self.found.items())]


def _metrics_beside(damages: Iterable[Damage]) -> set[str]:
    folders = {str(Path(damage.file).parent) for damage in damages if damage.file.startswith("models/")}
    return {f"{folder}/metrics.json" for folder in folders} - {damage.file for damage in damages}


def _digests(entries: dict[str, Entry]) -> dict[str, str]:
    return {file: entry.sha256 for file, entry in entries.items()}


def _with_times(path: Path, entry: Entry, now: int) -> Entry:
    """A file whose content is as written, with its times; those that were changed by hand are set back."""
    found = path.stat()
    if entry.settled and entry.untouched(found):
        return entry
    if found.st_mtime_ns != entry.mtime and (entry.settled or not entry.mtime <= found.st_mtime_ns <= now):
        return _set_time(path, entry)
    return entry.at(found, settled=True)


def _set_time(path: Path, entry: Entry) -> Entry:
    os.utime(path, ns=(entry.mtime, entry.mtime))
    return entry.at(path.stat(), settled=True)


def _time_of(folder: Path) -> int | None:
    try:
        return (folder / _TIME_OF_FOLDER).stat().st_mtime_ns
    except OSError:
        return None
