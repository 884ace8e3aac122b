"""Sources of data sets: one file each, or one for a family.

A file holds a subclass of ``prunescope.config.datasets.Dataset``: its settings, what it is declared to hold, and
``build``. A new file is found without being listed anywhere. It is imported whenever a study that names its source
is read, so numpy, pyarrow and all else that is slow to import is imported in functions. A study reads fewer files
where a source's name begins with its file's.
"""
