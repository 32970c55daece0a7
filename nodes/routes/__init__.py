"""The pack's own routes, below ``/lumenfall``: in ComfyUI's server, and in the playground's."""

from .serving import MAX_BODY, install, install_in_comfyui

__all__ = ["MAX_BODY", "install", "install_in_comfyui"]
