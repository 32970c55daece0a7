"""A stand-in for Lumenfall's image API, to try the pack with no key and to test it against.

    with running(latency=2.0, faults=["status-429"]) as sandbox:
        ...  # any OpenAI-compatible client at sandbox.base_url
        sandbox.bill, sandbox.requests

It is a real HTTP server with deterministic pictures, Lumenfall's refusals, a balance, and faults on demand. It follows
the public documentation alone and shares no code with the pack's client, which it judges.
"""

from .billing import Charge
from .fault import Fault
from .faults import FAULTS
from .log import Received
from .server import Sandbox, running

__all__ = ["FAULTS", "Charge", "Fault", "Received", "Sandbox", "running"]
