// Refreshing: each part of the page is a section that is read, fails and recovers by itself.

import { DENIED, LOST, SIGNED_OUT } from "./api.js";

const BACKOFF_SECONDS = [1, 2, 4, 8, 15, 30];
const HEAD_START_MS = 1000; // of what the first look is at

const passed = (milliseconds) => new Promise((over) => setTimeout(over, milliseconds));

/**
 * What is known of one section. `data` stays when a later reading fails: it is shown dimmed, not thrown away. One that
 * `waits` is read after the others the first time: it would only be in their way.
 */
export class Section {
  constructor(name, read, { least = 0, waits = false } = {}) {
    Object.assign(this, { name, read, leastSeconds: least, waits, turn: 0 });
    this.clear();
  }

  clear() {
    this.data = null;
    this.error = null;
    this.busy = false;
    this.readAt = null; // performance.now() of the last answer
    this.ageAtRead = 0;
  }

  /** Seconds since what is shown was true; null while there is nothing. */
  age(now = performance.now()) {
    return this.readAt === null ? null : this.ageAtRead + (now - this.readAt) / 1000;
  }
}

/**
 * Reads all sections every `interval()` seconds. It rests while there is a reason to (`pause`), and then does not read
 * on focus or reconnection either. `onChange(section)` follows every answer, `onRound()` every reading of them all, and
 * `onSignedOut(section, token)` and `onDenied(section)` those answers.
 */
export function createRefresher({ sections, interval, onChange, onRound, onSignedOut, onDenied }) {
  const reasons = new Set();
  let timer = 0;
  let abort = new AbortController();
  let failures = 0;
  let retryAt = null;
  let lostAt = null;

  async function read(section, { fresh = false } = {}) {
    if (section.busy) return;
    section.busy = true;
    const turn = ++section.turn;
    const { signal } = abort;
    const isOver = () => signal.aborted || turn !== section.turn;
    try {
      const { body, ageSeconds } = await section.read({ signal, fresh });
      if (isOver()) return;
      section.data = body;
      section.error = null;
      section.ageAtRead = ageSeconds;
      section.readAt = performance.now();
    } catch (error) {
      if (isOver()) return;
      if (error.kind === undefined) throw error; // A fault of the page is not a fault of the service.
      section.error = error;
      if (error.kind === SIGNED_OUT) onSignedOut(section, error.token);
      if (error.kind === DENIED) onDenied(section);
    } finally {
      if (!isOver()) section.busy = false;
    }
    onChange(section);
  }

  async function readAll({ fresh = false, everything = fresh } = {}) {
    clearTimeout(timer);
    retryAt = null;
    const due = sections.filter(
      (section) => everything || section.error !== null || (section.age() ?? Infinity) >= section.leastSeconds,
    );
    const { signal } = abort;
    const begin = (some) => Promise.all(some.map((section) => read(section, { fresh })));
    const later = due.filter((section) => section.waits && section.readAt === null);
    const first = begin(due.filter((section) => !later.includes(section)));
    if (later.length > 0) await Promise.race([first, passed(HEAD_START_MS)]);
    if (signal.aborted) return;
    await Promise.all([first, begin(later)]);
    if (signal.aborted) return;
    const lost = due.length > 0 && due.every((section) => section.error?.kind === LOST);
    failures = lost ? failures + 1 : 0;
    lostAt = lost ? (lostAt ?? new Date()) : null;
    schedule();
    onRound();
  }

  function schedule() {
    clearTimeout(timer);
    if (reasons.size > 0) return;
    const backoff = BACKOFF_SECONDS[Math.min(failures, BACKOFF_SECONDS.length) - 1];
    const asked = Math.max(0, ...sections.map((section) => section.error?.retryAfter ?? 0));
    const seconds = failures > 0 ? backoff : Math.max(interval(), asked);
    retryAt = performance.now() + seconds * 1000;
    timer = setTimeout(readAll, seconds * 1000);
  }

  return {
    /** Reads now, paused or not: somebody asked. */
    now: readAll,
    /** Reads one section anew, whatever it is reading: what was asked for has changed. */
    reread(section, options) {
      section.busy = false;
      return read(section, options);
    },
    pause(reason) {
      reasons.add(reason);
      clearTimeout(timer);
    },
    /** Ends one reason to rest; the last one ends the rest, and what is shown is read anew. */
    resume(reason) {
      if (!reasons.delete(reason)) return;
      if (reasons.size === 0) readAll();
    },
    /** A connection that came or went is tried at once, unless refreshing rests. */
    retry() {
      if (reasons.size === 0) readAll();
    },
    reschedule: schedule,
    /** Gives up what is under way, and forgets everything unless told to keep it: another reader may sign in next. */
    reset({ keep = false } = {}) {
      abort.abort();
      abort = new AbortController();
      clearTimeout(timer);
      failures = 0;
      lostAt = null;
      for (const section of sections) {
        section.busy = false;
        if (!keep) section.clear();
      }
    },
    get reasons() {
      return reasons;
    },
    /** Since when nothing answered; null while the service does. */
    get lostAt() {
      return lostAt;
    },
    /** Seconds until the next reading; null while it rests or reads. */
    get nextIn() {
      return retryAt === null || reasons.size > 0 ? null : Math.max(0, (retryAt - performance.now()) / 1000);
    },
  };
}
