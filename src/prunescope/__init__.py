"""prunescope shows who pays when a model is pruned: which examples, which classes, by how much."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("prunescope")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"


def code_revision() -> str:
    """The commit of the source tree this code runs from, for the records; empty where git does not track it.

    Ends in ``+changes`` where tracked files differ from the commit.
    """
    import subprocess
    from pathlib import Path

    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        # Installed into an environment inside some other project, the commit around it is not ours.
        subprocess.run([*git, "ls-files", "--error-unmatch", "__init__.py"], capture_output=True, check=True)
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
        status = [*git, "status", "--porcelain", "--untracked-files=no"]
        changes = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.strip() + ("+changes" if changes.strip() else "")
