// The verdict, on top: an icon, a sentence, why, and as of when.

import { byId, el, setText } from "./dom.js";
import { ago } from "./format.js";
import { showInTab } from "./icon_in_tab.js";
import { LOOKS, judge, staleAfter } from "./verdict.js";
import { icon } from "./words.js";

export function createVerdictView({ schema, status, interval, isCut }) {
  const holder = byId("verdict");
  const mark = el("div", { class: "verdict-icon" });
  const title = el("p", { class: "verdict-title" });
  const why = el("p", {});
  const asOf = el("p", { class: "verdict-as-of" });
  // Read out when it changes; the age beside it, which changes every second, is not.
  holder.append(mark, el("div", { role: "status" }, title, why), asOf);
  let shown = null;

  function draw(now = performance.now()) {
    const found = judge(schema, status, { staleSeconds: staleAfter(interval()), cut: isCut(), now });
    const [tone, glyph, word] = LOOKS[found.level];
    if (shown !== found.level) {
      holder.className = `verdict tone-${tone}`;
      holder.dataset.level = found.level;
      mark.replaceChildren(icon(glyph));
      shown = found.level;
    }
    setText(title, found.title);
    setText(why, found.why);
    setText(asOf, found.asOf === null ? "" : `as of ${ago(found.asOf)}`);
    showInTab(tone, glyph, word);
    return found;
  }

  return { draw, clear: () => ((shown = null), delete holder.dataset.level) };
}
