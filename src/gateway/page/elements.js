// How elements are made. Names come from a file server: they are only ever text.
const SVG = "http://www.w3.org/2000/svg";

/** Characters that show nothing, or make others show elsewhere than they are. */
const INVISIBLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: showing them is what this is for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/u;

/** @param {string} tag @param {Record<string, string>} [attributes] @param {...(Node | string)} children */
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svgElement(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A name as it is, with what cannot be seen spelled out. */
export function nameElement(name) {
  const made = element("bdi");
  if (!INVISIBLE.test(name)) {
    made.append(name);
    return made;
  }
  let plain = "";
  for (const character of name) {
    if (!INVISIBLE.test(character)) {
      plain += character;
      continue;
    }
    const code = character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    made.append(plain, element("span", { class: "odd" }, `U+${code}`));
    plain = "";
  }
  made.append(plain);
  return made;
}
