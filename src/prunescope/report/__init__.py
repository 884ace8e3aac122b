"""Pages for people: the audit's own page, and the study's report. Tables in, HTML out."""
