"""The search for epochs and learning rates that a study trains with (PIE paper, appendix A.4)."""
