// What of our nodes stands at first: the prompt, and what most people set. The rest is folded away, and so are the menus
// that the bar stands for.

import { foldAway, grey, makeRoom, makeWide } from "./host/folding.js";
import { isLoading } from "./host/frontend.js";
import { classOf, hasWidget, valueOf } from "./host/graph.js";
import { isPaid } from "./nodes.js";

/** Pixels for the lines of a prompt beyond the two that it has at least. */
const ROOM = 60;
/** Pixels of width, of which two lines hold what is said of a run. */
const WIDTH = 240;

/** Which widgets cannot matter, by what others say; a value that is not known may be any. */
const IDLE = {
  LumenfallInpaint: (said) => ({
    context: said("region") === "whole picture",
    feather: said("keep_unmasked") === false,
    match_colour: said("keep_unmasked") === false,
  }),
  LumenfallOutpaint: (said) => ({ anchor: said("aspect") === "" }),
};

/** Lay a node out that was just made. */
export function layOut(node) {
  fold(node);
  if (isLoading()) return;
  if (hasWidget(node, "prompt")) makeRoom(node, ROOM);
  else makeWide(node, WIDTH);
}

/** Let what is folded away and greyed out follow what the node says now. */
export function fold(node) {
  foldAway(node, isPaid(node) ? ["model", "size"] : []);
  grey(node, IDLE[classOf(node)]?.((name) => valueOf(node, name)) ?? {});
}
