"""What a graph would cost."""
