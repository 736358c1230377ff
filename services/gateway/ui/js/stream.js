// Reads the event stream with fetch(), because EventSource cannot send an
// Authorization header.

import { signal, session } from "./store.js";
import { markReachable, backoff, base, recovered, endSession, markUnreachable } from "./api.js";

/** Holds the state of the connection: "connecting", "open", or "waiting" for the next retry. */
export const connection = signal("connecting");

/** Increases when the stream may have missed events. Views then reload. */
export const gaps = signal(0);

/**
 * Returns a function that takes chunks of a server-sent event stream and calls emit
 * with each complete frame {id, event, data, retry}. Skips comments.
 */
export function parser(emit) {
  let rest = "", frame = {};
  const line = (text) => {
    if (text === "") {
      if (frame.data !== undefined || frame.retry !== undefined) emit(frame);
      frame = {};
      return;
    }
    const colon = text.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "data") frame.data = frame.data === undefined ? value : `${frame.data}\n${value}`;
    else if (field === "event") frame.event = value;
    else if (field === "id" && !value.includes("\0")) frame.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) frame.retry = Number(value);
  };
  return (chunk) => {
    rest += chunk;
    for (;;) {
      const end = rest.search(/\r\n|\n|\r/);
      // A \r at the end of the chunk may be the first half of \r\n.
      if (end < 0 || (rest[end] === "\r" && end === rest.length - 1)) return;
      line(rest.slice(0, end));
      rest = rest.slice(end + (rest.startsWith("\r\n", end) ? 2 : 1));
    }
  };
}

const listeners = new Set();

/** Calls listener with each event of the stream. Returns a function that unsubscribes. */
export function onEvent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let last = "", tries = 0, control = null, timer = 0, minPause = 0;

const silenceLimit = 40_000; // heartbeats come every 15 s
const hiddenFor = 20_000; // browsers allow few connections per host: a hidden tab closes its own

function dispatch(frame) {
  if (frame.retry !== undefined) minPause = frame.retry;
  if (frame.id !== undefined) last = frame.id;
  if (frame.data === undefined) return;
  let data;
  try {
    data = JSON.parse(frame.data);
  } catch {
    return; // not valid JSON: ignore it
  }
  if (frame.event === "reset") {
    gaps.set((n) => n + 1);
  } else if (frame.event !== "hello") {
    for (const listener of [...listeners]) listener(data);
  }
}

async function connect() {
  const own = (control = new AbortController());
  const who = session.get();
  let watch = setTimeout(() => own.abort(), silenceLimit);
  const alive = () => { clearTimeout(watch); watch = setTimeout(() => own.abort(), silenceLimit); };
  let pause = 0, refused = false;
  try {
    const headers = { Accept: "text/event-stream" };
    if (who) headers.Authorization = `Bearer ${who.token}`;
    if (last) headers["Last-Event-ID"] = last;
    const answer = await fetch(`${base}/events`, { headers, signal: own.signal, cache: "no-store", credentials: "omit" });
    if (answer.status === 401 && who) return endSession(who); // the listener of session reconnects
    if (!answer.ok || !answer.body) {
      refused = true;
      pause = (Number(answer.headers.get("Retry-After")) || 0) * 1000;
      throw new Error(String(answer.status));
    }
    onOpen();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const feed = parser(dispatch);
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      alive();
      feed(part.value);
    }
  } catch {
    if (control === own && !refused) markUnreachable(); // connection reports refusals
  } finally {
    clearTimeout(watch);
    if (control === own) reconnectLater(pause);
  }
}

function onOpen() {
  connection.set("open");
  markReachable();
  // Without a last event ID, the server cannot resend missed events.
  if (tries > 0 && !last) gaps.set((n) => n + 1);
  tries = 0;
}

function reconnectLater(pause) {
  control = null;
  if (document.hidden) return; // reconnects when the tab becomes visible
  // A server that ends the stream is restarting: reconnect soon, without a message to the user.
  if (tries > 0) connection.set("waiting");
  timer = setTimeout(connect, Math.max(pause, tries === 0 ? minPause * Math.random() : backoff(tries)));
  tries++;
}

function restart() {
  const old = control;
  control = null;
  clearTimeout(timer);
  old?.abort();
  connect();
}

/** Connects the stream and keeps it connected. Reconnects when the device comes online and when the session changes. */
export function start() {
  let hiding = 0;
  connect();
  session.listen(restart);
  recovered.listen(() => { if (connection.get() === "waiting" && !document.hidden) reconnectNow(); });
  addEventListener("online", () => { if (!control) restart(); });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(disconnect, hiddenFor);
    else if (!control) restart();
  });
  // The browser may cache a page after the user leaves it. Its open connection would
  // count toward the limit of six per host, and then no page of the shop would load.
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (e) => { if (e.persisted && !control) restart(); });
}

function disconnect() {
  const old = control;
  control = null;
  clearTimeout(timer);
  old?.abort();
}

/** Reconnects now. */
export const reconnectNow = () => { if (!control) restart(); };
