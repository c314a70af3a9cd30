// Requests to the API, and what their failures mean to the page.

export const LOST = "lost"; // nothing answered: the network, or the service, is away
export const SIGNED_OUT = "signed-out"; // 401
export const DENIED = "denied"; // 403
export const MISSING = "missing"; // 404: this service has no such path
export const UNAVAILABLE = "unavailable"; // 503 and the like: it answered that it cannot
export const REFUSED = "refused"; // anything else

/** What the page asks for: [path, parameters]. */
export const PAGE = 50; // ticks
export const SCHEMA = ["/api/runner/schema", []];
export const SCHEMA_ANEW = ["/api/runner/schema", [["refresh", "true"]]];
export const RUNS = ["/api/runner/runs", [["limit", "500"]]];
export const statusOf = (window) => ["/api/runner/status", [["window", window]]];
export const ticksOf = (filters, cursor = null) => [
  "/api/runner/tick-runs",
  [...filters, ["limit", String(PAGE)], ...(cursor === null ? [] : [["cursor", cursor]])],
];

const TIMEOUT_MS = 20_000;
const JSON_TYPE = "application/json";

/** `message` is a sentence for the reader; `retryAfter` in seconds, null where none was told. */
export class ApiError extends Error {
  constructor(kind, message, { status = null, requestId = null, retryAfter = null, token = null } = {}) {
    super(message);
    Object.assign(this, { kind, status, requestId, retryAfter, token });
  }
}

const KINDS = { 401: SIGNED_OUT, 403: DENIED, 404: MISSING, 502: UNAVAILABLE, 503: UNAVAILABLE, 504: UNAVAILABLE };

export function pathOf(path, params = []) {
  const search = new URLSearchParams(params).toString();
  return search === "" ? path : `${path}?${search}`;
}

/** Below the page, so that both work behind a proxy that serves them under a prefix. */
function addressOf(path) {
  return new URL(path.replace(/^\//, ""), document.baseURI);
}

/** A curl line for a path, with a placeholder: a copied token would end up in histories and chats. */
export function curlOf(path) {
  const url = addressOf(path).href.replaceAll("'", "%27");
  return `curl -H "Authorization: Bearer $TOKEN" '${url}'`;
}

export function createApi(session) {
  const underWay = new Map();

  /** Begins a request that `get` will be asked for: the first one of the same path takes its answer. */
  function ahead(path, params) {
    const sent = send(pathOf(path, params), { signal: null, accept: JSON_TYPE });
    sent.catch(() => {}); // `get` tells of it
    underWay.set(pathOf(path, params), { sent, token: session.token });
  }

  function taken(path) {
    const { sent, token } = underWay.get(path) ?? {};
    underWay.delete(path);
    return token === session.token ? sent : undefined;
  }

  /**
   * {body, ageSeconds, requestId} of a JSON answer; body is null for 204. `ageSeconds` is how old `at(body)` was when
   * it came, by the service's own clock, since the reader's may be wrong. Raises ApiError.
   */
  async function get(path, { params = [], signal = null, at = () => null } = {}) {
    const asked = pathOf(path, params);
    const answer = await (taken(asked) ?? send(asked, { signal, accept: JSON_TYPE }));
    if (answer.status === 204) return { body: null, ageSeconds: 0, requestId: answer.headers.get("x-request-id") };
    const body = await answer.json().catch((error) => {
      if (error.name === "AbortError") throw error;
      return null;
    });
    const isObject = typeof body === "object" && body !== null;
    // A verdict is an answer whatever its status: that the database is out of reach is what was asked for.
    if (isObject && (answer.ok || "verdict" in body)) {
      const then = Date.parse(at(body) ?? "");
      const sent = Date.parse(answer.headers.get("date") ?? "");
      const age = Number.isNaN(then) || Number.isNaN(sent) ? 0 : Math.max(0, (sent - then) / 1000);
      return { body, ageSeconds: age, requestId: body.requestId };
    }
    throw failure(answer, isObject ? body : null, answer.usedToken);
  }

  /** The answer as it comes, for streams; an answer that is an error raises ApiError. */
  async function open(path, { params = [], signal, headers = {} }) {
    const answer = await send(pathOf(path, params), { signal, accept: "text/event-stream", headers, endless: true });
    if (answer.ok && answer.headers.get("content-type")?.startsWith("text/event-stream")) return answer;
    throw failure(answer, await answer.json().catch(() => null), answer.usedToken);
  }

  async function send(path, { signal, accept, headers = {}, endless = false }) {
    const token = session.token;
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    let answer;
    try {
      answer = await fetch(addressOf(path), {
        headers: { Accept: accept, Authorization: `Bearer ${token}`, ...headers },
        signal: endless ? signal : AbortSignal.any(signal ? [signal, timeout] : [timeout]),
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(LOST, "The service did not answer.");
    }
    answer.usedToken = token;
    return answer;
  }

  return { get, open, ahead };
}

function failure(answer, problem, token) {
  const kind = KINDS[answer.status] ?? REFUSED;
  const retryAfter = Number(answer.headers.get("retry-after")) || null;
  const requestId = problem?.requestId ?? answer.headers.get("x-request-id");
  const said = problem?.detail ?? problem?.error ?? problem?.message;
  const message =
    said ?? (problem === null ? "The answer was not this service's: something in between made it." : "It went wrong.");
  return new ApiError(kind, String(message), { status: answer.status, requestId, retryAfter, token });
}
