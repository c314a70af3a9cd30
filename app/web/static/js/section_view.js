// What every section shows while it has nothing to show: it waits, it is empty, or it could not be read. Calmly: one
// section that fails is no broken page.

import { LOST, MISSING, UNAVAILABLE } from "./api.js";
import { el } from "./dom.js";

/** A box with one sentence; `detail` is smaller, and may be null. */
export function calm(title, detail = null) {
  return el("div", { class: "calm" }, el("strong", { text: title }), detail === null ? null : ` ${detail}`);
}

export function waiting() {
  return el("p", { class: "calm waiting", text: "Reading …" });
}

/** Why a section has nothing to show, for the reader. */
export function failed(what, error) {
  const title = `${what} could not be read.`;
  if (error.kind === LOST) return calm(title, "The service does not answer.");
  if (error.kind === MISSING) return calm(title, "This service does not offer it.");
  const id = error.requestId ? ` Request ${error.requestId}.` : "";
  const again = error.kind === UNAVAILABLE ? " It is tried again with the next refresh." : "";
  return calm(title, `${error.message}${again}${id}`);
}

/**
 * Puts `body` into its state: dimmed where what it shows could not be read again, replaced where there is nothing to
 * show. True when the caller should fill it. A section keeps its nodes from refresh to refresh; `stamp` tells what is in
 * it now.
 */
export function ready(body, section, what) {
  body.classList.toggle("stale", section.data !== null && section.error !== null);
  if (section.data !== null) {
    if (body.dataset.shows === "message") body.replaceChildren();
    body.dataset.shows = "data";
    return true;
  }
  body.dataset.shows = "message";
  body.replaceChildren(section.error === null ? waiting() : failed(what, section.error));
  return false;
}
