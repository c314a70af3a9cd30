// Who is signed in. Tokens live in sessionStorage: this tab only, gone with it, never in an address or a cookie.

const STORED_AS = "runner-diagnostics.session";
const RENEW_BEFORE_SECONDS = 60;
const RETRY_SECONDS = 10;

/** Raised with a sentence for the reader. */
export class SignInError extends Error {}

/**
 * `supabase`: {url, key}, or null where only a pasted token signs in. `onEnded` of what this gives is called when a token
 * could not be replaced before its end.
 */
export function createSession({ supabase, storage = sessionStorage }) {
  let held = restore(storage);
  let timer = 0;
  let renewing = null;

  function keep(next) {
    held = next;
    try {
      if (next === null) storage.removeItem(STORED_AS);
      else storage.setItem(STORED_AS, JSON.stringify(next));
    } catch {
      // A browser that forbids storage: the token lives as long as the page.
    }
    schedule();
  }

  function schedule() {
    clearTimeout(timer);
    if (!held?.refreshToken) return;
    const inSeconds = Math.max(1, held.expiresAt - RENEW_BEFORE_SECONDS - Date.now() / 1000);
    timer = setTimeout(renew, Math.min(inSeconds, 86_400) * 1000);
  }

  /** True when there is a new token now. One renewal of a session at a time: each ends the refresh token of the last. */
  function renew() {
    if (renewing?.of !== held) renewing = { of: held, done: replace(held) };
    return renewing.done;
  }

  async function replace(before) {
    try {
      const next = await exchange("refresh_token", { refresh_token: before.refreshToken });
      // Whoever signed out meanwhile is not brought back, and whoever signed in instead stays.
      if (held !== before) return false;
      keep({ ...next, renewedAt: Date.now() });
      return true;
    } catch (error) {
      if (held !== before) return false;
      renewing = null;
      // Out of reach is not refused: the token may have a minute left, and it is tried again.
      if (error instanceof SignInError) session.onEnded();
      else timer = setTimeout(renew, RETRY_SECONDS * 1000);
      return false;
    }
  }

  /** A session. When its token ends is told by the reader's own clock, however wrong: that is what the timer goes by. */
  async function exchange(grant, body) {
    const answer = await fetch(`${supabase.url}/auth/v1/token?grant_type=${grant}`, {
      method: "POST",
      headers: { apikey: supabase.key, "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
    });
    const said = await answer.json().catch(() => ({}));
    if (answer.status >= 500 || answer.status === 429) throw new Error("out of reach");
    if (!answer.ok) throw new SignInError(String(said.error_description ?? said.msg ?? "That did not work."));
    const expiresAt = said.expires_in > 0 ? Date.now() / 1000 + said.expires_in : endOf(said.access_token);
    return { token: said.access_token, refreshToken: said.refresh_token ?? null, expiresAt, renewedAt: 0 };
  }

  schedule();
  const session = {
    onEnded: () => {},
    get token() {
      return held?.token ?? null;
    },
    /** Seconds since 1970; null where the token does not say. For display only: it is the service that verifies. */
    get expiresAt() {
      return held?.expiresAt ?? null;
    },
    get name() {
      const claims = claimsOf(held?.token);
      return claims === null ? null : String(claims.email ?? claims.sub ?? "") || null;
    },
    /** True for one of Supabase's, which can be renewed; not for a pasted token. */
    get isSupabases() {
      return Boolean(held?.refreshToken);
    },
    /** Not one that has just been: a service that does not accept the new token will not accept the next one either. */
    canRenew: () => session.isSupabases && Math.abs(Date.now() - held.renewedAt) > RETRY_SECONDS * 1000,
    renew,
    /** A pasted token, as it is or with the word Bearer in front. */
    use(pasted) {
      const token = pasted.trim().replace(/^bearer\s+/i, "");
      keep({ token, refreshToken: null, expiresAt: endOf(token) });
    },
    async signIn(email, password) {
      try {
        keep(await exchange("password", { email, password }));
      } catch (error) {
        if (error instanceof SignInError) throw error;
        throw new SignInError("The sign-in service did not answer. Try again in a moment, or paste a token.");
      }
    },
    signOut() {
      const { token, refreshToken } = held ?? {};
      keep(null);
      if (supabase === null || !refreshToken) return;
      // Ends the refresh token at Supabase, too. Whether that works changes nothing here.
      fetch(`${supabase.url}/auth/v1/logout?scope=local`, {
        method: "POST",
        headers: { apikey: supabase.key, Authorization: `Bearer ${token}` },
      }).catch(() => {});
    },
  };
  return session;
}

function restore(storage) {
  try {
    const stored = JSON.parse(storage.getItem(STORED_AS));
    return typeof stored?.token === "string" ? stored : null;
  } catch {
    return null;
  }
}

function claimsOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(payload), (byte) => byte.charCodeAt(0))));
  } catch {
    return null;
  }
}

function endOf(token) {
  const end = claimsOf(token)?.exp;
  return typeof end === "number" ? end : null;
}
