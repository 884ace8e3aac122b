"""What ``import prunescope as ps`` offers: audits, a study's tables, and the measures on plain arrays."""
