"""All Python of the pack. The nodes are listed in table.py; importing this package alone is quick."""
