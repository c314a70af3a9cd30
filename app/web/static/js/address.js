// What the page shows is in its address, so that a colleague who opens the link sees the same. Names are the API's.
// Never a token: addresses end up in histories and chats.

const MANY = ["status", "signal", "strategy_run_id", "user_id", "reason"];
const ONE = ["since", "until", "min_latency_ms"];
const WINDOWS = ["15m", "1h", "6h", "24h", "7d"];
const REFRESHES = ["5", "15", "60", "0"];

/** {window, refresh: seconds or 0, tick: {id, scheduled_at} or null, filters: [[name, value], ...]} */
export function readAddress(search = location.search) {
  const params = new URLSearchParams(search);
  const filters = [];
  for (const name of MANY) for (const value of params.getAll(name)) if (value !== "") filters.push([name, value]);
  for (const name of ONE) if (params.get(name)) filters.push([name, params.get(name)]);
  return {
    window: WINDOWS.includes(params.get("window")) ? params.get("window") : "1h",
    refresh: Number(REFRESHES.includes(params.get("refresh")) ? params.get("refresh") : "5"),
    tick: tickOf(params),
    filters,
  };
}

/** Writes what differs from the usual. `step` adds to the history, for changes that "back" should undo. */
export function writeAddress({ window, refresh, tick, filters }, { step = false } = {}) {
  const params = new URLSearchParams();
  if (window !== "1h") params.set("window", window);
  if (refresh !== 5) params.set("refresh", String(refresh));
  for (const [name, value] of filters) params.append(name, value);
  if (tick) {
    params.set("tick", tick.id);
    params.set("at", tick.scheduled_at);
  }
  const search = params.size > 0 ? `?${params}` : "";
  if (search === location.search) return;
  history[step ? "pushState" : "replaceState"](null, "", `${location.pathname}${search}${location.hash}`);
}

/** A tick is found by its moment: there is no path for one. */
function tickOf(params) {
  const [id, at] = [params.get("tick"), params.get("at")];
  return id && at && !Number.isNaN(Date.parse(at)) ? { id, scheduled_at: at } : null;
}

/** The filters that an API link to ticks names: `/api/runner/tick-runs?status=error` and the like; null for another. */
export function filtersOf(href) {
  const url = new URL(href, document.baseURI);
  if (url.origin !== location.origin || !url.pathname.endsWith("/api/runner/tick-runs")) return null;
  return readAddress(url.search).filters;
}
