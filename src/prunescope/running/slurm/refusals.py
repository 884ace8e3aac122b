"""What sbatch says when it does not take a job, and whether waiting helps."""

from __future__ import annotations

import re

#: Refusals that pass by themselves: the controller is away or busy, a partition is drained, a limit is reached.
_PASSES = re.compile(
    r"unable to contact slurm controller|temporarily unable|try again|timed out|zero bytes|connection (refused|failure)"
    r"|communication connection|inactive or drain|limit reached|resource temporarily|in a down state"
    r"|unable to establish|controller .*standby",
    re.IGNORECASE,
)

#: The sentence that SLURM says of every limit, of submitted jobs and of others; most name the limit as well.
_POLICY = "violates accounting/QOS policy"
_LIMIT = re.compile(r"\b(?:Assoc|QOS)\w*Limit\b")

_REFUSED = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'\.(?:\n|$)", re.DOTALL)
_PREFIX = re.compile(r"^\S*(?:sbatch|srun): (?:error: )?(?:Batch job submission failed: )?")


def sbatch_message(text: str) -> str:
    """What sbatch said, on one line; empty where ``text`` is of another failure."""
    match = _REFUSED.search(text.strip())
    if match is None:
        return ""
    said = [_PREFIX.sub("", line).strip().rstrip(".") for line in match[1].splitlines()]
    return "; ".join(dict.fromkeys(line for line in said if line))


def passes(message: str) -> bool:
    """Whether a refusal may pass by itself.

    A limit of submitted jobs does; one of a job's time or size, or an allocation that is used up, does not.
    """
    if _POLICY in message:
        limits = _LIMIT.findall(message)
        return not limits or any("Submit" in limit for limit in limits)
    return bool(_PASSES.search(message))
