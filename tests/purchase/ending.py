"""A process that ends as ComfyUI does: its server runs in the main thread, prompts in a daemon thread.

Runs the prompts of the command line, each the inputs of a Generate Image, one after another. With ``--slow`` its end
takes until all of them are over.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import json
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

Interrupt = type("InterruptProcessingException", (Exception,), {})


def module(name: str, **content: Any) -> None:
    sys.modules[name] = ModuleType(name)
    vars(sys.modules[name]).update(content)


class PromptServer:
    instance: PromptServer

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.client_id = None

    def add_on_prompt_handler(self, handler: Any) -> None:
        pass


def work(prompts: list[str]) -> None:
    node = importlib.import_module("nodes.table").NODE_CLASS_MAPPINGS["LumenfallGenerate"]
    for prompt in prompts:
        try:
            asyncio.run(getattr(node(), node.FUNCTION)(**json.loads(prompt)))
        except Interrupt:
            print("interrupted", file=sys.stderr)


loop = asyncio.new_event_loop()
PromptServer.instance = PromptServer(loop)
module("server", PromptServer=PromptServer)
module("folder_paths", get_user_directory=lambda: "user")
module("comfy_execution.utils", get_executing_context=lambda: None)
module("comfy.model_management", processing_interrupted=lambda: False, InterruptProcessingException=Interrupt)
prompts = sys.argv[1:]
if is_slow := prompts[0] == "--slow":
    del prompts[0]
worker = threading.Thread(target=work, args=(prompts,), daemon=True)
if is_slow:
    atexit.register(worker.join)  # runs after the pack has waited
worker.start()
try:
    loop.run_until_complete(asyncio.Event().wait())
except KeyboardInterrupt:
    print("Stopped server", file=sys.stderr)
