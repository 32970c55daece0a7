"""A run for each row of a table: what the rows say, how they are run, and what is known of each."""
