"""Whether the papers' claims hold in a study: a judge per claim, from the study's tables alone."""
