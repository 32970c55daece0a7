"""A scoreboard of inpainting: photographs, masks, what models do to a frame, ways to put it back, and figures."""
