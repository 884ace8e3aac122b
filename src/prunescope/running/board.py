"""What ``prunescope run`` shows on a terminal: data sets by stage, what runs, rate, time left, memory, failures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from prunescope.config.study import Study
from prunescope.files.meter import duration
from prunescope.paths import Layout, fill
from prunescope.running.progress import Progress, reason
from prunescope.running.status import blocks_of

if TYPE_CHECKING:
    from rich.console import Group

#: The columns of the table. Jobs of other rules are shown while they run.
STAGES = ("data", "dense", "pruned", "analysed")

#: Jobs and failures that are named.
_NAMED = 5

#: Seconds between two drawings of the table, and between two looks at the memory.
_DRAWING, _MEMORY = 0.5, 3.0


class Show(Protocol):
    """Draws the table as it is now; ``last``: the run has ended."""

    def __call__(self, progress: Progress, now: float, last: bool = False) -> None: ...


class Board:
    """A study's jobs by the name of their log: of which data set and stage they are, and which were done before."""

    def __init__(self, study: Study, workdir: Path = Path()) -> None:
        layout = Layout(study.results)
        self.results = study.results
        self.stage_of: dict[str, tuple[str, str]] = {}
        self.done: set[str] = set()

        def know(log: str, dataset: str, stage: str, done: bool) -> None:
            self.stage_of[log] = (dataset, stage)
            if done:
                self.done.add(log)

        for cell in study.cells:
            names = {"dataset": cell.dataset, "arch": cell.arch}
            built = (layout.log("dataset", "dataset"), layout.data("card.json"))
            for log, file in (built, (layout.log("encode", *names), layout.inputs)):
                done = (workdir / file.format(**names)).is_file()
                know(log.format(**names), cell.dataset, "data", done)
            summary = workdir / fill(layout.cell("test/summary.json"), cell)
            log = fill(layout.log("cell", "dataset", "arch", "pruner", "amount"), cell)
            know(log, cell.dataset, "analysed", summary.is_file())
        for block in blocks_of(study, workdir):
            stage = "dense" if block.cell.dense else "pruned"
            know(block.log, block.cell.dataset, stage, block.state == "done")

    def counts(self, progress: Progress) -> dict[str, dict[str, tuple[int, int]]]:
        """By data set and stage: jobs that are done, those of earlier runs included, and all."""
        done = self.done - progress.begun | progress.through
        total = Counter(self.stage_of.values())
        have = Counter(stage for log, stage in self.stage_of.items() if log in done)
        datasets = dict.fromkeys(dataset for dataset, _ in self.stage_of.values())
        return {
            name: {stage: (have[name, stage], total[name, stage]) for stage in STAGES} for name in datasets
        }

    def name(self, log: str) -> str:
        """A job by its log, as ``prune digits lenet5 MP sparsity-500permille 0-3``."""
        return (
            log.removeprefix(f"{self.results}/").removeprefix("logs/").removesuffix(".log").replace("/", " ")
        )

    def view(self, progress: Progress, now: float, memory: str = "") -> Group:
        """The table as it is now."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("data set", no_wrap=True, max_width=28)
        for stage in STAGES:
            table.add_column(stage, justify="right", no_wrap=True)
        for dataset, row in self.counts(progress).items():
            texts = [Text("–" if not n else f"{k}/{n}", "green" if k == n else "") for k, n in row.values()]
            table.add_row(dataset, *texts)
        parts: list[Table | Text] = [*(Text(note, "yellow") for note in progress.notes), table]
        if progress.total:
            bar = Table.grid()
            bar.add_row(ProgressBar(total=progress.total, completed=progress.done, width=60))
            parts.append(bar)
        parts.append(Text(self.line(progress, now, memory)))
        running = sorted(progress.running.items(), key=lambda item: item[1][1])
        for job, (rule, began) in running[:_NAMED]:
            what = self.name(progress.log_of.get(job, rule))
            parts.append(Text(f"  {what}, {duration(now - began)}", "dim", no_wrap=True, overflow="ellipsis"))
        if len(running) > _NAMED:
            parts.append(Text(f"  and {len(running) - _NAMED} more", "dim"))
        for job, rule in list(progress.failed.items())[-_NAMED:]:
            log = progress.logs.get(job, "")
            text = f"  failed: {self.name(log) or rule}: {reason(log)}"
            parts.append(Text(text, "red", no_wrap=True, overflow="ellipsis"))
        return Group(*parts)

    def line(self, progress: Progress, now: float, memory: str = "") -> str:
        """``43 of 227 jobs, 12 a minute, 3 min 20 s passed, about 14 min 2 s left, 1.3 GB of memory``."""
        passed, left = now - progress.started, progress.seconds_left(now)
        if not progress.total:
            return f"reading the study, {duration(passed)} passed"
        parts = [f"{progress.done} of {progress.total} jobs"]
        if progress.done and passed > 0:
            rate = 60 * progress.done / passed
            parts.append(f"{rate:.0f} a minute" if rate >= 2 else f"{60 * rate:.0f} an hour")
        parts.append(f"{duration(passed)} passed")
        if left is not None and progress.done < progress.total:
            parts.append(f"about {duration(left)} left")
        if memory:
            parts.append(memory)
        if progress.failed:
            parts.append(f"{len(progress.failed)} failed")
        return ", ".join(parts)

    @contextmanager
    def shown(self, out: TextIO, pid: int) -> Iterator[Show | None]:
        """A function that draws the table again, at most twice a second; None where the terminal cannot.

        Args:
            pid: of the process whose memory is shown, with that of all it has started.
        """
        from rich.console import Console
        from rich.live import Live

        console = Console(file=out)
        if console.is_dumb_terminal:
            yield None
            return
        live = Live(console=console, auto_refresh=False)
        drawn, looked, memory = 0.0, 0.0, ""

        def show(progress: Progress, now: float, last: bool = False) -> None:
            nonlocal drawn, looked, memory
            if now - drawn < _DRAWING and not last:
                return
            if now - looked >= _MEMORY:
                looked, memory = now, memory_of(pid)
            drawn = now
            live.update(self.view(progress, now, memory), refresh=True)

        live.start()
        try:
            yield show
        finally:
            # The terminal may be gone.
            with suppress(OSError):
                live.stop()


def memory_of(pid: int) -> str:
    """``1.3 of 16.8 GB memory``, of a process and all that it has started; empty where it has ended."""
    import psutil

    total = 0
    try:
        first = psutil.Process(pid)
        for process in (first, *first.children(recursive=True)):
            with suppress(psutil.Error):
                total += process.memory_info().rss
    except psutil.Error:
        return ""
    return f"{total / 1e9:.1f} of {psutil.virtual_memory().total / 1e9:.1f} GB memory"


def watch(text: Callable[[], tuple[str, bool]], out: TextIO, seconds: float) -> None:
    """Print a text again and again until it says that it is the last: on a terminal in place, else where it changed.

    Args:
        text: the text of the moment, and whether nothing more will change.
        seconds: between two looks.
    """
    before = None
    with suppress(KeyboardInterrupt):
        while True:
            now, last = text()
            if out.isatty() and (before is not None or not last):
                print(f"\x1b[H\x1b[J{now}", file=out, flush=True)
            elif now != before:
                print(now, file=out, flush=True)
            if last:
                return
            before = now
            time.sleep(seconds)
