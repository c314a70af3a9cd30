// The newest ticks as a table: filters that are in the address, pages further back, new ones as they are written.

import { SIGNED_OUT, ticksOf } from "./api.js";
import { byId, el, keyed, setText } from "./dom.js";
import { createFilters } from "./filters.js";
import { count, latency, moment, shortId, toDate } from "./format.js";
import { calm, failed, waiting } from "./section_view.js";
import { listen } from "./stream.js";
import { MOST_WAITING, createTickList } from "./tick_list.js";
import { setChip } from "./words.js";

const HEADS = ["Scheduled, UTC", "Strategy", "Status", "Signal", "Reason", "Latency"];

const UNTOLD = ["connecting", "unavailable"]; // states of the stream in which it tells of no ticks

/** `onFilter(filters)` when the reader changes them, `onOpen(tick)` for one tick, `nameOf(id)` for a strategy's label. */
export function createTicksView({ api, onFilter, onOpen, nameOf, onSignedOut }) {
  const body = byId("ticks-body");
  const filtersView = createFilters({ onFilter, nameOf });
  const rows = el("tbody", { role: "rowgroup" });
  const table = el(
    "table",
    { class: "grid ticks-grid card", role: "table", "aria-labelledby": "ticks-title" },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, HEADS.map((text) => el("th", { role: "columnheader", scope: "col", class: text === "Latency" ? "number" : null, text })))),
    rows,
  );
  const message = el("div", {});
  const foot = el("p", { class: "muted small more", role: "status" });
  const older = el("button", { type: "button", class: "more", text: "Load older" });
  const stop = el("button", { type: "button", class: "more", text: "Stop searching" });
  const isNew = el("button", { type: "button", hidden: true });
  const live = el("span", { class: "muted small", role: "status" });
  const follow = el("input", { type: "checkbox", id: "follow" });
  byId("ticks-actions").append(live, el("label", { for: "follow" }, follow, " Follow"), isNew);

  let filters = [];
  let stream = null;
  let streamState = "connecting";
  let lastId = null; // of the stream with these filters: after a rest, it goes on there
  let wanted = null;
  const ticks = createTickList({
    load: (filters, cursor, signal) => {
      const [path, params] = ticksOf(filters, cursor);
      return api.get(path, { params, signal });
    },
    onChange: (list) => {
      if (list.error?.kind === SIGNED_OUT) onSignedOut(list.error.token);
      // A burst of ticks is drawn once.
      wanted ??= requestAnimationFrame(draw);
    },
  });
  older.addEventListener("click", ticks.older);
  stop.addEventListener("click", ticks.stop);
  isNew.addEventListener("click", () => (ticks.takeWaiting(), follow.focus()));
  follow.addEventListener("change", () => follow.checked && ticks.takeWaiting());

  function start(nextFilters) {
    filters = nextFilters;
    filtersView.draw(filters);
    ticks.start(filters);
    disconnect();
    lastId = null;
    connect();
  }

  function disconnect() {
    lastId = stream?.stop() ?? lastId;
    stream = null;
  }

  function connect() {
    disconnect();
    // Ticks of a past that has ended do not get more.
    if (filters.some(([name]) => name === "until")) return setLive("ended");
    stream = listen(api, {
      params: filters,
      after: lastId,
      onTick: ticks.add,
      onNotice: notice,
      onState(state) {
        setLive(state);
        // What was written after the page was read and before the stream began, neither has told.
        if (state === "live") ticks.renew();
      },
      onSignedOut,
    });
  }

  /** After a gap, or when the service dropped us, what is missing is read. One that expired is refused when it comes back. */
  function notice(kind) {
    if (kind === "gap" || kind === "dropped" || kind === "failed") ticks.renew();
    if (kind === "stalled") setLive("stalled");
    if (kind === "recovered") setLive("live");
  }

  function setLive(state) {
    streamState = state;
    const words = { live: "Live", connecting: "Connecting …", stalled: "Live, waiting for the database", rest: "Resting" };
    setText(live, words[state] ?? "");
    live.dataset.state = state;
  }

  function rest() {
    disconnect();
    if (streamState !== "ended") setLive("rest");
  }

  function draw() {
    wanted = null;
    const { list } = ticks;
    if (follow.checked && list.waiting.length > 0) ticks.takeWaiting();
    filtersView.draw(filters);
    if (message.parentNode !== body) body.replaceChildren(...filtersView.nodes, message, table, foot, older, stop);
    keyed(rows, list.rows, (tick) => tick.id, create, update);
    table.hidden = list.rows.length === 0;
    table.classList.toggle("stale", list.error !== null || !list.known);
    const unfit = !list.known && !list.rowsFit;
    table.setAttribute("aria-busy", String(unfit));
    table.inert = unfit; // the focus would be lost with them
    isNew.hidden = list.waiting.length === 0 || follow.checked;
    const orMore = list.waiting.length === MOST_WAITING ? " or more" : "";
    setText(isNew, `Show ${count(list.waiting.length)}${orMore} new`);
    setText(byId("ticks-count"), list.rows.length > 0 ? count(list.rows.length) : "");
    older.hidden = list.busy || list.cursor === null;
    stop.hidden = !list.busy || !list.known;
    drawMessage(list);
    const back = list.scannedTo && list.cursor !== null ? ` Searched back to ${moment(toDate(list.scannedTo))} UTC.` : "";
    setText(foot, list.known ? `${list.hint ?? ""}${list.busy ? " Searching further back …" : ""}${back}`.trim() : "");
  }

  function drawMessage(list) {
    const shown = list.error !== null ? "error" : list.rows.length > 0 ? "none" : list.known && !list.busy ? "empty" : "busy";
    if (message.dataset.shows === shown && shown !== "error") return;
    message.dataset.shows = shown;
    if (shown === "none") message.replaceChildren();
    if (shown === "error") message.replaceChildren(failed("Ticks", list.error));
    if (shown === "busy") message.replaceChildren(waiting());
    if (shown === "empty") {
      const none = filters.length > 0 ? "No tick has these filters." : "No tick was recorded yet.";
      message.replaceChildren(calm(none, list.cursor === null ? null : "Older ones have not been looked at."));
    }
  }

  function create() {
    const parts = {
      at: el("button", { type: "button", class: "plain" }),
      name: el("span", {}),
      id: el("code", { class: "short-id" }),
      chip: el("td", { role: "cell" }),
      signal: el("td", { role: "cell" }),
      reason: el("td", { role: "cell", class: "muted" }),
      latency: el("td", { role: "cell", class: "number" }),
    };
    const row = el("tr", { role: "row" }, el("td", { role: "cell" }, parts.at), el("td", { role: "cell" }, parts.name, parts.id), parts.chip, parts.signal, parts.reason, parts.latency);
    row.__parts = parts;
    parts.at.addEventListener("click", () => onOpen(row.__tick));
    return row;
  }

  function update(row, tick) {
    row.__tick = tick;
    const parts = row.__parts;
    const name = nameOf(tick.strategy_run_id) ?? "";
    setText(parts.id, shortId(tick.strategy_run_id));
    setText(parts.at, moment(toDate(tick.scheduled_at)));
    setText(parts.name, name);
    setChip(parts.chip, tick.status);
    setText(parts.signal, tick.signal ?? "");
    setText(parts.reason, tick.reason ?? "");
    setText(parts.latency, tick.latency_ms === null ? "" : latency(tick.latency_ms));
    parts.at.setAttribute("aria-label", `${moment(toDate(tick.scheduled_at))} UTC, ${name || shortId(tick.strategy_run_id)}: details`);
  }

  return {
    start,
    draw,
    rest,
    /** Goes on after a rest: the stream resumes where it was, and what it does not tell of is read. */
    wake: connect,
    /** With every refresh: where no stream tells of new ticks, or a page failed, they are read. */
    refresh() {
      if (streamState === "refused") connect();
      if (UNTOLD.includes(streamState) || ticks.list.error !== null) ticks.renew();
    },
    clear() {
      rest();
      ticks.clear();
      rows.replaceChildren();
      body.replaceChildren();
      isNew.hidden = true;
    },
  };
}
