// Who reads, and what is asked for on their behalf while the rest of the page still loads.

import { readAddress } from "./address.js";
import { SCHEMA, createApi, statusOf } from "./api.js";
import { createSession } from "./session.js";

const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;

/** {url, key}, or null where the service does not know its Supabase project. */
export const supabase = meta("supabase-url") === "" ? null : { url: meta("supabase-url"), key: meta("supabase-anon-key") };
export const session = createSession({ supabase });
export const api = createApi(session);

// What the verdict is made of. The rest waits for the rest of the page: asked for now, it would only be in their way.
if (session.token !== null) {
  api.ahead(...SCHEMA);
  api.ahead(...statusOf(readAddress().window));
}
