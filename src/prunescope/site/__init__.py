"""The pages of a study: findings and grid, a page per pruned cell, and the pages between. Above papers and figures."""
