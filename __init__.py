"""Lumenfall for ComfyUI: generate, inpaint and vary pictures through one unified image API."""

from .nodes.host import dependencies

# First, since the rest cannot be loaded where one of them is missing.
dependencies.tell()

with dependencies.blamed():
    from .nodes.routes import install_in_comfyui
    from .nodes.table import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

# ComfyUI starts its server when all packs are loaded.
install_in_comfyui()

WEB_DIRECTORY = "./web"

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
