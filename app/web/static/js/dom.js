// Elements from values. Text of the database is hostile: it only ever becomes a text node or an attribute's value, and
// the few attributes that could run or load something are refused here, in the one place that sets attributes.

const SVG = "http://www.w3.org/2000/svg";
const REFUSED = /^(on.*|style|srcdoc|innerhtml|src)$/i;

/** An element. `props`: attributes by name; `class`, `on: {event: listener}`, and `text`. null and false set nothing. */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (name === "text") {
      node.textContent = value;
    } else if (REFUSED.test(name) || (name === "href" && !isHarmless(value))) {
      throw new Error(`el() does not set ${name}`);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Links stay in this origin, or are a file made here. */
function isHarmless(href) {
  const url = new URL(href, document.baseURI);
  return url.origin === location.origin && (url.protocol.startsWith("http") || url.protocol === "blob:");
}

export function byId(id) {
  return document.getElementById(id);
}

/** Sets text only where it differs, so that a screen reader is told of changes and of nothing else. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes the children of `parent` those of `items`, one a key, keeping the nodes that stay: focus, selection and an open
 * <details> survive a refresh. `create(item)` makes a node, `update(node, item)` fills it, every time.
 */
export function keyed(parent, items, keyOf, create, update) {
  const old = new Map();
  for (const node of parent.children) old.set(node.__key, node);
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = old.get(key);
    if (node === undefined) {
      node = create(item);
      node.__key = key;
    }
    old.delete(key);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    update(node, item);
  }
  for (const node of old.values()) node.remove();
}

/**
 * `items` in the order in which their keys were shown before; new ones at the end. Rows that jump while somebody reads
 * them are misread. `changed` tells whether the order asked for is another one.
 */
export function steady(items, keyOf, shown) {
  const places = new Map(shown.map((key, index) => [key, index]));
  const sorted = items
    .map((item, index) => ({ item, rank: places.get(keyOf(item)) ?? shown.length + index }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ item }) => item);
  return { items: sorted, changed: sorted.some((item, index) => item !== items[index]) };
}
