"""The command line: help everywhere, errors in one line, exit codes."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from prunescope import __version__
from prunescope.cli import main
from prunescope.commands import users
from prunescope.commands.parser import build_parser
from prunescope.errors import UserError


def commands() -> list[str]:
    (action,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return sorted(action.choices)


def parsers(
    name: str = "prunescope", parser: argparse.ArgumentParser | None = None
) -> dict[str, argparse.ArgumentParser]:
    """By name, the parsers of all commands and of their actions."""
    found = {name: parser or build_parser()}
    for action in found[name]._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, one in action.choices.items():
                found |= parsers(f"{name} {word}", one)
    return found


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(list(arguments))
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_commands_of_the_contract_are_there():
    assert {"audit", "plan", "status", "run", "schema"} <= set(commands())


@pytest.mark.parametrize("command", [None, *commands()])
def test_help(capsys, command):
    code, out, err = run(capsys, *([command] if command else []), "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: prunescope {command or ''}".rstrip())
    assert "show this help" in out


@pytest.mark.parametrize("name", sorted(parsers()))
def test_every_command_says_what_it_does_and_every_option_what_it_takes(name):
    parser = parsers()[name]
    assert (parser.description or "").endswith("."), name
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            assert action.help, f"{name} {action.option_strings or action.metavar}"
    if name != "prunescope":
        first, _, example = (parser.epilog or "").partition(": ")
        assert (first, example.startswith(name)) == ("example", True)
        # The shell's part of the line is not the command's.
        build_parser().parse_args(shlex.split(example.partition(" > ")[0])[1:])


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"prunescope {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], "COMMAND"),
        (["prune"], "prune"),
        (["plan", "--jsn"], "--jsn"),
        (["audit"], "--dense"),
        (["cell", "--seeds", "x"], "--seeds"),
        (["model", "--device", "tpu"], "--device"),
    ],
)
def test_usage_errors_are_one_line_and_exit_with_2(capsys, arguments, names):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("prunescope")
    assert ": error: " in err
    assert names in err
    assert err.count("\n") == 1


def test_bad_input_is_one_line_and_exits_with_2(capsys, tmp_path):
    path = tmp_path / "missing.yaml"
    for command in ("plan", "status", "run"):
        code, out, err = run(capsys, command, "--configfile", str(path))
        assert (code, out) == (2, "")
        assert err == f"prunescope: error: {path}: no such configuration file\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("x: wrong; do y"), 2, "prunescope: error: x: wrong; do y"),
        (MemoryError(), 1, "prunescope: error: out of memory"),
        (KeyboardInterrupt(), 130, "prunescope: stopped; run the same command again"),
    ],
)
def test_exit_codes(capsys, monkeypatch, error, code, line):
    def fail(_: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(users, "_schema", fail)
    got, out, err = run(capsys, "schema")
    assert (got, out) == (code, "")
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch):
    def fail(_: argparse.Namespace) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(users, "_schema", fail)
    with pytest.raises(ZeroDivisionError):
        main(["schema"])


@pytest.mark.parametrize(
    ("settings", "tells"),
    [
        ("{", "--settings: Invalid JSON"),
        ('{"source": "svhn"}', "--settings: source: unknown 'svhn'; one of aapd, cifar10"),
        ("{}", "--settings: source: required, but not given; one of aapd, cifar10"),
        ('{"source": "digits", "x": 1}', "x: unknown key; allowed here: source, training"),
    ],
)
def test_settings_of_a_stage_are_checked(capsys, tmp_path, settings, tells):
    code, out, err = run(
        capsys, "dataset", "--name", "d", "--settings", settings, "--out", str(tmp_path / "d")
    )
    assert (code, out) == (2, "")
    assert tells in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_needs_nothing_heavy():
    code = (
        "import sys\n"
        "from prunescope.cli import main\n"
        "try: main(['plan', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(' '.join({'torch', 'transformers', 'matplotlib', 'sklearn'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_m_prunescope():
    done = subprocess.run(
        [sys.executable, "-m", "prunescope", "plann"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("prunescope: error: ")
    assert done.stderr.count("\n") == 1


def test_an_ended_job_leaves_no_half_file(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from prunescope import cli, files\n"
        "from prunescope.commands import users\n"
        "def write(_):\n"
        "    with files.atomic_path(sys.argv[1]) as temporary:\n"
        "        temporary.write_text('half')\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "users._schema = write\n"
        "cli.main(['schema'])"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "file"], check=False)
    assert done.returncode == 143
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_enough_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "prunescope", "schema"], stdout=out, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_connection_that_breaks_off_does_not_end_the_process(capsys):
    before = signal.getsignal(signal.SIGPIPE)
    assert run(capsys, "schema")[0] == 0
    assert signal.getsignal(signal.SIGPIPE) == before == signal.SIG_IGN


@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        (
            "prunescope.analysis.cells",
            {"torch", "transformers", "pandas", "matplotlib", "sklearn", "scipy", "textstat"},
        ),
        (
            "prunescope.training.job",
            {"transformers", "pandas", "matplotlib", "sklearn", "datasets", "optuna"},
        ),
        (
            "prunescope.config.load",
            {"torch", "transformers", "pandas", "matplotlib", "sklearn", "scipy", "pyarrow"},
        ),
    ],
)
def test_a_job_imports_what_it_needs(module, foreign):
    """A study has thousands of jobs, each of which imports this again; the workflow reads the last."""
    code = f"import sys, {module}; print(*({foreign!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_with_every_command_and_its_options(shell, capsys):
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("audit", "plan", "--fail-on", "completion", "slurm"):
        assert word.removeprefix("--") in script
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_bash_completes(tmp_path, capsys):
    pytest.importorskip("shtab")
    main(["completion", "bash"])
    (tmp_path / "completion.sh").write_text(capsys.readouterr().out)
    (tmp_path / "dense.csv").touch()

    def completed(*words):
        script = (
            f"source completion.sh; COMP_WORDS=({' '.join(map(repr, words))}); COMP_CWORD={len(words) - 1}; "
            '_shtab_prunescope; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert completed("prunescope", "aud") == ["audit"]
    assert "--fail-on" in completed("prunescope", "audit", "--fa")
    assert completed("prunescope", "audit", "--dense", "de") == ["dense.csv"]
    assert completed("prunescope", "completion", "zs") == ["zsh"]
