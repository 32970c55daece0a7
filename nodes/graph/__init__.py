"""Graphs in API format, and ComfyUI's V1 contract: pure, without a host."""
