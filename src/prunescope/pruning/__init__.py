"""What a weight is worth, how many go, when they go, and what happens after."""
