// Calls the REST API and turns failures into Problems.

import { signal, session, signingIn } from "./store.js";
import { explain } from "./format.js";

export const base = "/api/v1";

/** Describes why a request failed. message is a sentence for the user. */
export class Problem extends Error {
  constructor(facts) {
    super(explain(facts));
    Object.assign(this, { status: 0, code: "", errors: [], retryAfter: 0 }, facts);
  }

  /** Reports whether an unchanged retry may succeed. */
  get transient() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** Increases when the shop responds again after an outage. Waiting retries can then start at once. */
export const recovered = signal(0);

let lost = false;

export const markUnreachable = () => { lost = true; };

export function markReachable() {
  if (lost) {
    lost = false;
    recovered.set((n) => n + 1);
  }
}

/**
 * Sends a request to the API. Resolves with {data, status, location}. Rejects with a
 * Problem, or with the signal's reason if the caller aborted. token replaces the token
 * of the session. timeout is in ms.
 */
export async function ask(method, path, { body, type = "application/json", key, signal, token, timeout = 20_000 } = {}) {
  const who = token ? { token } : session.get();
  const headers = { Accept: "application/json" };
  if (who) headers.Authorization = `Bearer ${who.token}`;
  if (body !== undefined) headers["Content-Type"] = type;
  if (key) headers["Idempotency-Key"] = key;
  const { signal: cut, done } = withTimeout(timeout, signal);
  try {
    const answer = await fetch(path.startsWith("/dev/") ? path : base + path, {
      method, headers, signal: cut, credentials: "omit",
      body: body === undefined || type !== "application/json" ? body : JSON.stringify(body),
    });
    return await read(answer, who);
  } catch (err) {
    if (err instanceof Problem) throw err;
    if (signal?.aborted) throw signal.reason;
    markUnreachable();
    throw new Problem({ code: cut.aborted ? "timeout" : "network" });
  } finally {
    done();
  }
}

export const get = (path, signal) => ask("GET", path, { signal }).then((a) => a.data);

/** Appends a query to a path and omits empty values. */
export function withQuery(path, query) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const v of [value].flat()) if (v !== undefined && v !== null && v !== "") q.append(name, v);
  }
  return q.size === 0 || String(q) === "" ? path : `${path}?${q}`;
}

// AbortSignal.any is missing in browsers that we support.
function withTimeout(ms, outer) {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), ms);
  const follow = () => control.abort();
  if (outer?.aborted) follow();
  outer?.addEventListener("abort", follow);
  return { signal: control.signal, done: () => { clearTimeout(timer); outer?.removeEventListener("abort", follow); } };
}

async function read(answer, who) {
  const text = await answer.text();
  let data = null;
  try {
    data = text ? JSON.parse(text) : null;
  } catch {
    if (answer.ok) throw new Problem({ status: answer.status, code: "unreadable" });
  }
  markReachable();
  if (answer.ok) return { data, status: answer.status, location: answer.headers.get("Location") ?? "" };
  if (answer.status === 401) endSession(who);
  const { code, detail, errors } = data ?? {};
  throw new Problem({ status: answer.status, code, detail, errors, retryAfter: Number(answer.headers.get("Retry-After")) || 0 });
}

/** Ends the session and opens the sign-in dialog. The page stays as it is, so that the user can continue after signing in. */
export function endSession(who) {
  if (who && session.get()?.token === who.token) {
    signingIn.set("expired"); // before the session ends, so that the user is not redirected to the shop
    session.set(null);
  }
}

/**
 * Returns the delay before the nth retry in ms: 1 s, doubled each time, up to 8 s, or
 * 30 s in a hidden tab. Jitter keeps browsers from retrying all at once.
 */
export function backoff(tries, random = Math.random, hidden = globalThis.document?.hidden) {
  return Math.min(hidden ? 30_000 : 8000, 1000 * 2 ** Math.min(tries, 10)) * (0.5 + random() / 2);
}
