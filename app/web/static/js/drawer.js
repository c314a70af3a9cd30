// One tick in full, in a dialog: every column as it is, and its meta, which lists leave out.

import { curlOf, pathOf } from "./api.js";
import { copyButton } from "./clipboard.js";
import { byId, el, setText } from "./dom.js";
import { day, clock, latency, toDate } from "./format.js";
import { calm } from "./section_view.js";
import { chip } from "./words.js";

const TIMES = ["scheduled_at", "started_at", "finished_at"];
const IDS = ["strategy_run_id", "user_id", "id"];

/** `onClose()` when it is closed, however; `nameOf(id)` gives a strategy's label; `showTicks(filters)` leaves for a list. */
export function createDrawer({ api, onClose, nameOf, showTicks }) {
  const dialog = byId("drawer");
  let abort = new AbortController();
  dialog.addEventListener("close", () => {
    abort.abort();
    onClose();
  });
  // A click beside it closes it: only the backdrop makes the dialog itself the target outside its own box.
  dialog.addEventListener("click", (event) => {
    const box = dialog.getBoundingClientRect();
    if (event.target === dialog && (event.clientX < box.left || event.clientX > box.right)) dialog.close();
  });

  function open(tick) {
    abort.abort();
    abort = new AbortController();
    const meta = el("pre", { tabindex: "0", "aria-label": "meta", text: "Reading …" });
    const name = nameOf(tick.strategy_run_id) ?? "a strategy";
    dialog.replaceChildren(
      head(`Tick of ${name}`),
      el("dl", {}, rowsOf(tick)),
      el("h3", { text: "meta" }),
      meta,
      el(
        "div",
        { class: "actions more" },
        copyButton("Copy as JSON", () => JSON.stringify(tick, null, 2)),
        copyButton("Copy curl", () => curlOf(pathOf("/api/runner/tick-runs", queryOf(tick)))),
        tick.strategy_run_id === null
          ? null
          : el("button", {
              type: "button",
              text: "All ticks of this strategy",
              on: { click: () => (dialog.close(), showTicks([["strategy_run_id", tick.strategy_run_id]])) },
            }),
      ),
    );
    if (!dialog.open) dialog.showModal();
    readMeta(tick, meta);
  }

  async function readMeta(tick, meta) {
    const { found, problem } = await read(tick);
    if (found !== null || problem !== null) setText(meta, problem ?? JSON.stringify(found.meta ?? null, null, 2));
  }

  /** {found, problem}: the whole tick, or a sentence why not; neither once it is no longer wanted. */
  async function read(tick) {
    const { signal } = abort;
    try {
      const { body } = await api.get("/api/runner/tick-runs", { params: queryOf(tick), signal });
      const found = body.tickRuns.find((one) => one.id === tick.id) ?? null;
      return { found, problem: found === null ? "This tick is not there any more." : null };
    } catch (error) {
      if (signal.aborted) return { found: null, problem: null };
      if (error.kind === undefined) throw error;
      return { found: null, problem: `It could not be read: ${error.message}` };
    }
  }

  /** Opens a tick of which an address knows only {id, scheduled_at}. */
  async function find(tick) {
    const { found, problem } = await read(tick);
    if (found !== null) open(found);
    if (problem === null) return;
    dialog.replaceChildren(head("Tick"), calm(problem));
    dialog.showModal();
  }

  function head(title) {
    return el(
      "div",
      { class: "drawer-head" },
      el("h2", { id: "drawer-title", text: title }),
      el("button", { type: "button", text: "Close", on: { click: () => dialog.close() } }),
    );
  }

  return { open, find, close: () => dialog.open && dialog.close() };
}

/** There is no path for a single tick: its strategy and its moment find it. */
function queryOf(tick) {
  const at = toDate(tick.scheduled_at).getTime();
  const run = !tick.strategy_run_id ? [] : [["strategy_run_id", tick.strategy_run_id]];
  // A Date has milliseconds and the column microseconds: from the millisecond to the next.
  return [...run, ["since", new Date(at).toISOString()], ["until", new Date(at + 1).toISOString()], ["limit", "500"], ["fields", "meta"]];
}

function rowsOf(tick) {
  const row = (name, value) => [el("dt", { text: name }), el("dd", {}, value)];
  const time = (text) => {
    const date = toDate(text);
    return date === null ? "–" : el("span", {}, `${day(date)} ${clock(date)} UTC `, el("code", { class: "muted", text }));
  };
  return [
    row("status", chip(tick.status)),
    row("reason", tick.reason ?? "–"),
    row("signal", tick.signal ?? "–"),
    row("latency_ms", tick.latency_ms === null ? "–" : `${tick.latency_ms} (${latency(tick.latency_ms)})`),
    TIMES.map((name) => row(name, time(tick[name]))),
    IDS.map((name) => row(name, el("code", { text: tick[name] ?? "–" }))),
  ];
}
