"""The node table: what ComfyUI and the command line offer. A new node gets its line here."""

from .caller import prepare_receipts
from .estimate import Estimate
from .generate import Generate
from .inpaint import Inpaint
from .options import RequestOptions
from .recover import Recover
from .variations import Variations

NODE_CLASS_MAPPINGS = {
    "LumenfallGenerate": Generate,
    "LumenfallInpaint": Inpaint,
    "LumenfallVariations": Variations,
    "LumenfallOptions": RequestOptions,
    "LumenfallEstimate": Estimate,
    "LumenfallRecover": Recover,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "LumenfallGenerate": "Generate Image",
    "LumenfallInpaint": "Inpaint Image",
    "LumenfallVariations": "Image Variations",
    "LumenfallOptions": "Request Options",
    "LumenfallEstimate": "Estimate Cost",
    "LumenfallRecover": "Recover Images",
}

# Before the first graph is queued: ComfyUI builds what its PNGs will say when it takes a graph.
prepare_receipts()
