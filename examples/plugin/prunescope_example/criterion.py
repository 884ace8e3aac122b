"""A criterion: one decorated function. Studies are read with it, so torch is not imported here."""

from prunescope.criteria import Evidence, criterion


@criterion("pruning by magnitude within rows")
def row_magnitude(weights, evidence: Evidence):
    """|w| over the mean |w| of its row, so that every output keeps about as many weights.

    weights: by layer, each (outputs, ...). Returns scores by layer, of the same shapes.
    """
    scores = {}
    for name, weight in weights.items():
        rows = weight.abs().flatten(1)
        scores[name] = (rows / rows.mean(1, keepdim=True).clamp_min(1e-12)).view_as(weight)
    return scores
