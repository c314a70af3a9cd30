// New ticks as they are written: server-sent events read with fetch, since EventSource can send no token.

import { DENIED, MISSING, SIGNED_OUT } from "./api.js";

const BACKOFF_SECONDS = [1, 2, 5, 10, 30];
const SILENCE_MS = 45_000; // three of the service's heartbeats

/**
 * Listens until `stop()`, through disconnections, resuming where it was. Delivery is at least once: the caller drops
 * what it has by id. `stop()` gives the place where another one may go on, as its `after`; null where none is known.
 * `onState`: live, connecting, unavailable (no such path, or no right to it), refused (the token is not accepted).
 */
export function listen(api, { params, after = null, onTick, onNotice, onState, onSignedOut }) {
  const stopped = new AbortController();
  let lastId = after;

  async function run() {
    for (let failures = 0; !stopped.signal.aborted; failures++) {
      onState("connecting");
      try {
        await once(() => (failures = 0));
      } catch (error) {
        if (stopped.signal.aborted) return;
        if (error.kind === MISSING || error.kind === DENIED) return onState("unavailable");
        if (error.kind === SIGNED_OUT) {
          onState("refused");
          return onSignedOut(error.token);
        }
      }
      await sleep(BACKOFF_SECONDS[Math.min(failures, BACKOFF_SECONDS.length - 1)] * 1000, stopped.signal);
    }
  }

  /** One connection, to its end. */
  async function once(onOpen) {
    const silent = new AbortController();
    let watchdog = setTimeout(() => silent.abort(), SILENCE_MS);
    const signal = AbortSignal.any([stopped.signal, silent.signal]);
    try {
      const headers = lastId === null ? {} : { "Last-Event-ID": lastId };
      const answer = await api.open("/api/runner/tick-runs/stream", { params, signal, headers });
      onOpen();
      onState("live");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const parse = createParser(handle);
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => silent.abort(), SILENCE_MS);
        parse(part.value);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  function handle({ event, data, id }) {
    if (id !== null) lastId = id;
    if (data === "") return;
    const value = parseJson(data);
    if (value !== null && typeof value.scheduled_at === "string") onTick(value);
    else onNotice(event, value);
  }

  run().catch((error) => {
    if (!stopped.signal.aborted) throw error;
  });
  return {
    stop() {
      stopped.abort();
      return lastId;
    },
  };
}

/** Feeds text in any pieces, calls back once an event: {event, data, id}. The format of the HTML standard. */
export function createParser(onEvent) {
  let rest = "";
  let event = "message";
  let data = [];
  let id = null;

  function line(text) {
    if (text === "") {
      if (data.length > 0 || event !== "message") onEvent({ event, data: data.join("\n"), id });
      event = "message";
      data = [];
      id = null;
      return;
    }
    if (text.startsWith(":")) return; // a heartbeat
    const colon = text.indexOf(":");
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    if (field === "data") data.push(value);
    if (field === "id") id = value;
  }

  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
