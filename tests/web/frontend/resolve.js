const SCRIPTS = new URL("../../../web/js/", import.meta.url).href;

export function resolve(specifier, context, next) {
  const script = specifier.match(/\/scripts\/(app|api)\.js$/);
  if (script) return { url: new URL(`${script[1]}.js`, import.meta.url).href, shortCircuit: true };
  return next(specifier, context);
}

export function load(url, context, next) {
  return next(url, url.startsWith(SCRIPTS) ? { ...context, format: "module" } : context);
}
