// Who makes a model, told from how its slug begins: no list says it, and people look for it.

// The maker, how else it is called, and how its slugs begin.
const MAKERS = [
  ["OpenAI", "", "gpt-image", "chatgpt-image", "dall-e"],
  ["Google", "DeepMind", "gemini", "imagen", "nano-banana", "google"],
  ["Black Forest Labs", "BFL", "flux"],
  ["ByteDance", "Seed", "seedream", "seededit", "seedvr"],
  ["Alibaba", "Tongyi", "qwen", "wan", "z-image"],
  ["xAI", "", "grok"],
  ["Stability AI", "", "stable-", "sdxl", "sd3"],
  ["Bria", "", "bria"],
  ["Recraft", "", "recraft"],
  ["Ideogram", "", "ideogram"],
  ["Tencent", "", "hunyuan"],
  ["Topaz Labs", "", "topaz"],
  ["Luma", "", "luma", "photon"],
  ["Kuaishou", "Kling", "kling", "kolors"],
  ["Microsoft", "", "mai-image"],
  ["Adobe", "", "firefly"],
  ["Reve", "", "reve"],
];

/** @param {string} slug */
function entryOf(slug) {
  const name = slug.slice(slug.lastIndexOf("/") + 1).toLowerCase();
  return MAKERS.find(([, , ...beginnings]) => beginnings.some((beginning) => name.startsWith(beginning))) ?? [];
}

/** Who makes the model of a slug; undefined where that is not known. */
export function makerOf(slug) {
  return entryOf(slug)[0];
}

/**
 * Whether each word is found in what a model is called, or in its maker's names; marks within words do not count, so that
 * "dalle" finds dall-e.
 *
 * @param {import("./models.js").Model} model
 * @param {string} words
 */
export function isCalled({ id, name, aliases }, words) {
  const names = [id, name, ...aliases, ...entryOf(id).slice(0, 2)].map((text) => text.toLowerCase());
  const told = [...names, ...names.map(plain)].join(" ");
  return words
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => told.includes(word) || (!word.includes("/") && plain(word) !== "" && told.includes(plain(word))));
}

/** Whether what a model is called begins with these words. */
export function beginsWith(model, words) {
  const begin = plain(words.toLowerCase()).replace(/\s+/g, "");
  const names = [model?.id ?? "", model?.name ?? ""].map((name) => plain(name.toLowerCase()).replace(/\s+/g, ""));
  return begin !== "" && names.some((name) => name.startsWith(begin));
}

function plain(text) {
  return text.replace(/[^\p{L}\p{N}\s]/gu, "");
}
