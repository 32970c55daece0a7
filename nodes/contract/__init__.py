"""What the nodes share of ComfyUI's contract."""
