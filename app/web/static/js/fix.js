// The fix, to read, copy and save. Nothing here runs it: a person reviews it first.

import { curlOf } from "./api.js";
import { copyButton, downloadButton } from "./clipboard.js";
import { byId, el } from "./dom.js";
import { plural } from "./format.js";
import { calm, failed } from "./section_view.js";

export function createFixView({ api }) {
  const holder = byId("fix");
  const show = el("button", { type: "button", class: "primary", "aria-expanded": "false", "aria-controls": "fix-body" });
  const body = el("div", { class: "fix", id: "fix-body", hidden: true });
  const box = el("div", { class: "more" }, show, body);
  let href = null;
  let digest = null;

  show.addEventListener("click", async () => {
    if (!body.hidden) return close();
    show.disabled = true;
    show.textContent = "Planning …";
    await read();
    show.disabled = false;
    show.focus();
  });

  function close() {
    body.hidden = true;
    body.replaceChildren();
    label();
  }

  function label() {
    show.setAttribute("aria-expanded", String(!body.hidden));
    show.textContent = body.hidden ? "Show the fix" : "Hide the fix";
  }

  async function read() {
    try {
      const { body: fix } = await api.get(href);
      body.replaceChildren(...(fix === null ? [calm("There is nothing to mend any more.")] : partsOf(fix)));
    } catch (error) {
      if (error.kind === undefined) throw error;
      body.replaceChildren(failed("The fix", error));
    }
    body.hidden = false;
    label();
  }

  function partsOf(fix) {
    const mended = fix.mends.length;
    const decided = fix.decisions.length;
    const head = [
      mended > 0 ? `A migration that mends ${plural(mended, "check")}.` : "Nothing can be mended without a person's decision.",
      decided > 0 ? `${plural(decided, "matter")} a person must decide: in the file as a comment, with the reason.` : "",
      "Review it; this service never runs it. Part 2 validates what part 1 adds. Check again after it.",
    ];
    return [
      el("p", { text: head.filter(Boolean).join(" ") }),
      fix.hazards.length > 0 ? el("h3", { text: "Before you run it" }) : null,
      fix.hazards.length > 0 ? el("ul", {}, fix.hazards.map((hazard) => el("li", { text: hazard.message }))) : null,
      ...fix.parts.map((part) => fileOf(part, fix.parts.length)),
      ...(fix.parts.length === 0 ? fix.decisions.map(decisionOf) : []),
      el("div", { class: "actions" }, copyButton("Copy curl", () => curlOf(href))),
    ].filter((node) => node !== null);
  }

  /** Draws what a schema report says of a fix; null for no report. One that is open stays, unless the report changed. */
  function draw(report) {
    href = report?.fix?.href ?? null;
    if (href === null) {
      body.hidden = true;
      return holder.replaceChildren();
    }
    const next = report.checks.filter((check) => check.outcome === "fail").map((check) => check.key).join();
    if (digest !== next) close();
    digest = next;
    show.title = report.fix.available ? "" : "Nothing can be mended without a person's decision; the reasons are there";
    if (box.parentNode !== holder) holder.replaceChildren(box);
  }

  return { draw };
}

function fileOf(part, parts) {
  const name = parts > 1 ? `Part ${part.part}: ${part.fileName}` : part.fileName;
  return el(
    "div",
    { class: "fix-file" },
    el(
      "div",
      { class: "head" },
      el("h3", { class: "mono", text: name }),
      el("div", { class: "head-actions" }, copyButton("Copy SQL", () => part.sql, `Copy ${part.fileName}`), downloadButton("Download", part.fileName, () => part.sql)),
    ),
    el("pre", { tabindex: "0", role: "region", "aria-label": part.fileName, text: part.sql }),
  );
}

function decisionOf(decision) {
  return el(
    "div",
    { class: "fix-file" },
    el("p", { text: decision.why }),
    decision.proposal === null ? null : el("pre", { tabindex: "0", role: "region", "aria-label": "Proposal", text: decision.proposal }),
  );
}
