// Which address a page imports a script of the package from: its own, or, for CommonJS, that of the same script wrapped.

const { fetch } = globalThis;
const known = new Map();

/** `base` is the address of our own files. */
export async function importable(url, base) {
  if (!known.has(url)) known.set(url, (await isCommonJs(url)) ? url.replace(`${base}package/`, `${base}commonjs/`) : url);
  return known.get(url);
}

async function isCommonJs(url) {
  const { pathname } = new URL(url);
  if (/\.[cm]js$/.test(pathname)) return pathname.endsWith('.cjs');
  const response = await fetch(url);
  const text = response.ok ? await response.text() : '';
  return /\bmodule\.exports\b|\bexports\s*[.[]/.test(text) && !/(^|[;}\n])\s*(export\s*[{*]|export\s+(default|const|let|var|class|async|function)\b|import\s*["'{*\w])/.test(text);
}
