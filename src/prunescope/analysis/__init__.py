"""Who pays: everything measured on prediction tables. numpy in, tables out; no model, no torch."""
