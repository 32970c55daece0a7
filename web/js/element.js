// Making elements of the page.

/**
 * A new element. Properties that are functions become listeners (`onclick`), `class`, `text` and names with a dash or
 * a colon become what they say, everything else is set on the element itself. Children that are null are left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} properties
 * @param {any[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") made.className = value;
    else if (name === "text") made.textContent = value;
    else if (name === "style" || name === "dataset") Object.assign(made[name], value);
    else if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
    else if (name in made && !name.includes("-")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}
