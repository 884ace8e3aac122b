"""What papers print: their numbers and claims, as data of this package (README.md beside this file)."""
