"""A scoreboard of inpainting: photographs, masks, what models do to a frame, ways to put an answer back, and figures."""
