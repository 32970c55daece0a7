"""The node table: what ComfyUI and the command line offer. A new node gets its line here."""

from .generate import Generate
from .inpaint import Inpaint
from .options import RequestOptions
from .variations import Variations

NODE_CLASS_MAPPINGS = {
    "LumenfallGenerate": Generate,
    "LumenfallInpaint": Inpaint,
    "LumenfallVariations": Variations,
    "LumenfallOptions": RequestOptions,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "LumenfallGenerate": "Generate Image",
    "LumenfallInpaint": "Inpaint Image",
    "LumenfallVariations": "Image Variations",
    "LumenfallOptions": "Request Options",
}
