"""What is analysed, as settings: the ``analysis`` section of a study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from prunescope.config.spec import Spec


class Analysis(Spec):
    confidence: float = Field(0.99, gt=0, lt=1, description="of the t intervals of alpha")
    bins: int = Field(20, ge=2, le=1000, description="EL2N bins")
    correction: Literal["bonferroni", "holm"] = Field(
        "bonferroni", description="of the p-values in alpha_tests.csv, within a family"
    )
    equal_variances: bool = Field(
        False, description="independent tests of alpha: Student's t-test instead of Welch's"
    )
    tested_amounts: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        None,
        min_length=1,
        description="the ratios (above 1) and sparsities (below 1) that tests of alpha compare, besides all levels "
        "of iterative magnitude pruning; null: all",
    )
