"""The Playground: ComfyUI's own browser frontend over this pack's executor, to try the pack without ComfyUI.

It is no second ComfyUI: it knows this pack's nodes and the core image nodes, one user, and no models.

playground.py    what is served: folders, nodes, hosts
server.py        the HTTP server: routes, middlewares, starting and stopping
queue.py         prompts, one after another; run.py runs one; jobs.py tells of them
messages.py      the websocket
prompts.py, files.py, userdata.py, describing.py, pack.py, stubs.py     the routes
"""

from .playground import Playground
from .server import running

__all__ = ["Playground", "running"]
