"""What a workflow file gives away or lacks when it is shared, and a copy of it that is fit for that."""
