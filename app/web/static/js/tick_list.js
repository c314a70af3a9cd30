// Ticks page by page, as far back as was asked for, and the new ones beside them. Knows no elements.

import { PAGE } from "./api.js";

const MOST_KEPT = 2000;
export const MOST_WAITING = 500;

/**
 * `load(filters, cursor, signal)` reads one page. One request looks at a day at most, so with a rare filter a page may be short
 * or empty and yet not the last: `older()` goes on by itself until it has a page's worth, the end, or `stop()`.
 */
export function createTickList({ load, onChange }) {
  let filters = [];
  let abort = new AbortController();
  const seen = new Set();
  const list = { rows: [], rowsFit: false };
  forget();

  /** Everything but the rows. */
  function forget() {
    abort.abort();
    abort = new AbortController();
    seen.clear();
    Object.assign(list, {
      waiting: [], // new, not shown yet: rows that move while somebody reads are misread
      cursor: null,
      scannedTo: null,
      busy: false,
      known: false, // at least one page was read
      outdated: false, // asked to renew while it was busy
      error: null,
      hint: null,
    });
  }

  /**
   * Begins anew. The rows stay until others are known: a page that shrinks for a moment moves under the pointer. Those of
   * the same filters (`rowsFit`) stay even if no others can be read, and are as good to use as before.
   */
  function start(nextFilters) {
    list.rowsFit = (list.known || list.rowsFit) && JSON.stringify(nextFilters) === JSON.stringify(filters);
    filters = nextFilters;
    forget();
    return read({ first: true });
  }

  async function read({ first = false } = {}) {
    if (list.busy) return;
    const { signal } = abort;
    Object.assign(list, { busy: true, error: null });
    onChange(list);
    const wanted = (first ? 0 : list.rows.length) + PAGE;
    try {
      for (let more = true; more && !signal.aborted; ) {
        const { body } = await load(filters, list.cursor, signal);
        if (signal.aborted) return;
        if (!list.known) list.rows = [];
        list.rows.push(...fresh(body.tickRuns));
        Object.assign(list, { cursor: body.nextCursor, scannedTo: body.scannedTo, known: true, hint: body.hint ?? null });
        more = list.cursor !== null && list.rows.length < wanted && list.rows.length < MOST_KEPT;
        onChange(list);
        // The first look goes no further back than the first ticks: what is older is asked for by hand.
        if (first && list.rows.length > 0) more = false;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.kind === undefined) throw error;
      list.error = error;
      if (!list.known && !list.rowsFit) list.rows = [];
    } finally {
      if (!signal.aborted) {
        list.busy = false;
        onChange(list);
        if (list.outdated && list.known) renew(); // one that failed is read again with the next refresh
      }
    }
  }

  /**
   * Reads the first page again for what is new, where no stream tells. One that holds nothing that was seen before may
   * have left out what lies between: then the list begins anew.
   */
  async function renew() {
    list.outdated = list.busy;
    if (list.busy) return;
    if (!list.known) return start(filters);
    const { signal } = abort;
    // Of what the stream tells meanwhile, nothing follows about what lies before it.
    const before = new Set(seen);
    try {
      const { body } = await load(filters, null, signal);
      if (signal.aborted) return;
      if (body.tickRuns.length > 0 && !body.tickRuns.some((row) => before.has(row.id))) return start(filters);
      list.error = null;
      body.tickRuns.forEach((row) => add(row, { quiet: true }));
    } catch (error) {
      if (signal.aborted) return;
      if (error.kind === undefined) throw error;
      list.error = error;
    }
    onChange(list);
  }

  function fresh(rows) {
    return rows.filter((row) => !seen.has(row.id) && seen.add(row.id));
  }

  return {
    list,
    start,
    older: () => read(),
    clear() {
      forget();
      Object.assign(list, { rows: [], rowsFit: false });
    },
    /** Ends a search that goes on; what it found stays. */
    stop() {
      abort.abort();
      abort = new AbortController();
      list.busy = false;
      onChange(list);
    },
    renew,
    add,
    /** Shows what waits, newest first. Where it is more than is kept, the list begins anew: none is left out in between. */
    takeWaiting() {
      if (list.waiting.length === MOST_WAITING || list.waiting.length + list.rows.length > MOST_KEPT) return start(filters);
      list.rows = [...list.waiting, ...list.rows].sort(newestFirst);
      list.waiting = [];
      onChange(list);
    },
  };

  function add(row, { quiet = false } = {}) {
    // The page that is being read may be older than this row.
    if (!list.known && list.busy) list.outdated = true;
    // A reader who is away for hours finds the newest, not everything.
    if (!list.known || seen.has(row.id) || list.waiting.length === MOST_WAITING) return;
    seen.add(row.id);
    list.waiting.push(row);
    if (!quiet) onChange(list);
  }
}

/** By time, then id, as the API orders them: times compare as text only where they have the same precision. */
export function newestFirst(one, other) {
  const byTime = micros(other.scheduled_at) - micros(one.scheduled_at);
  if (byTime !== 0) return byTime;
  return one.id < other.id ? 1 : one.id > other.id ? -1 : 0;
}

function micros(text) {
  const digits = /\.(\d{1,6})/.exec(text)?.[1] ?? "";
  return Math.floor(Date.parse(text) / 1000) * 1e6 + Number(digits.padEnd(6, "0"));
}
