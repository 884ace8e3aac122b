"""What the papers print: their numbers, their tables and figures as data, and their claims."""
