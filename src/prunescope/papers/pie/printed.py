"""Names of the PIE paper ("As easy as PIE: understanding when pruning causes language models to disagree")."""

from __future__ import annotations

PAPER = "PIE"

#: The eight pruners of the paper's Table 3.
PRUNERS = ("IIBP-WR", "IIBP-FT", "IBP-AI", "IMP-WR", "IMP-FT", "MP-AI", "IRP-FT", "RP-AI")
