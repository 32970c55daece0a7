"""The node table: what ComfyUI and the command line offer. A new node gets its import, class and name here."""

from .compare import Compare
from .edit import Edit
from .estimate import Estimate
from .generate import Generate
from .get_svg import GetSVG
from .inpaint import Inpaint
from .options import RequestOptions
from .outpaint import Outpaint
from .purchase.receipts import prepare_receipts
from .recover import Recover
from .upscale import Upscale
from .variations import Variations

NODE_CLASS_MAPPINGS = {
    "LumenfallGenerate": Generate,
    "LumenfallInpaint": Inpaint,
    "LumenfallVariations": Variations,
    "LumenfallEdit": Edit,
    "LumenfallOutpaint": Outpaint,
    "LumenfallUpscale": Upscale,
    "LumenfallCompare": Compare,
    "LumenfallOptions": RequestOptions,
    "LumenfallEstimate": Estimate,
    "LumenfallRecover": Recover,
    "LumenfallGetSVG": GetSVG,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "LumenfallGenerate": "Generate Image",
    "LumenfallInpaint": "Inpaint Image",
    "LumenfallVariations": "Image Variations",
    "LumenfallEdit": "Edit Image",
    "LumenfallOutpaint": "Outpaint Image",
    "LumenfallUpscale": "Upscale Image (Lumenfall)",
    "LumenfallCompare": "Compare Models",
    "LumenfallOptions": "Request Options",
    "LumenfallEstimate": "Estimate Cost",
    "LumenfallRecover": "Recover Images",
    "LumenfallGetSVG": "Get SVG",
}

# Before the first graph is queued: ComfyUI builds what its PNGs will say when it takes a graph.
prepare_receipts()
