"""From what a node asks to its pictures."""
