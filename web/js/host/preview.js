// What ComfyUI shows on a node while it runs. It would stay there after the run, below our own pictures, and so would the
// height that the classic canvas has given the node for it.

import { ownHeight, setOwnHeight } from "./elements.js";
import { isClassic, store } from "./frontend.js";

const WIDGET = "$$canvas-image-preview";
const MOST = 120; // frames
/** How high nodes were made before. @type {WeakMap<object, number>} */
const heights = new WeakMap();

/** A node begins to run. */
export function expectPreview(node) {
  if (previewOn(node) < 0) heights.set(node, ownHeight(node));
}

function previewOn(node) {
  return node.widgets?.findIndex(({ name }) => name === WIDGET) ?? -1;
}

/** The node that runs under `id` has ended. */
export async function endPreview(node, id) {
  const previews = store("nodeOutput");
  const isThere = Boolean(previews?.getNodePreviews?.(node));
  previews?.revokePreviewsByExecutionId?.(id);
  // ComfyUI may have forgotten it by itself and drawn it all the same.
  if (!isClassic() || (!isThere && previewOn(node) < 0)) return;
  // It is drawn when it has been decoded, which may be later than this.
  for (let frame = 0; frame < MOST && previewOn(node) < 0; frame++) await new Promise(requestAnimationFrame);
  const at = previewOn(node);
  if (at < 0) return;
  const [widget] = node.widgets.splice(at, 1);
  widget.onRemove?.();
  // Which one it was stays known, or it would be drawn again.
  Object.assign(node, { imgs: undefined, imageIndex: null });
  setOwnHeight(node, heights.get(node) ?? 0);
}
