// Formats numbers, money, times and errors for display.

const locale = globalThis.navigator?.languages?.slice() ?? ["en-GB"];
const formats = new Map();

function intl(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new kind(locale, options));
  return formats.get(key);
}

export const number = (n) => intl(Intl.NumberFormat, {}).format(n);

/** Formats a number for little space: 999, 1.2K, 57K. */
export const compact = (n) => intl(Intl.NumberFormat, { notation: "compact" }).format(n);

/** Formats a rate with one decimal below 10 and none above. */
export const rate = (n) => intl(Intl.NumberFormat, { maximumFractionDigits: n < 10 ? 1 : 0 }).format(n);

export const percent = (share) => intl(Intl.NumberFormat, { style: "percent", maximumFractionDigits: 0 }).format(share);

/** Formats {"amount":"2.55","currency":"GBP"} in the user's locale. */
export function money(m) {
  if (!m) return "";
  try {
    // A string is formatted exactly; a number would be rounded to 53 bits.
    return intl(Intl.NumberFormat, { style: "currency", currency: m.currency }).format(m.amount);
  } catch {
    return `${m.amount} ${m.currency}`;
  }
}

/** Sums lines {price, quantity} by currency. Uses whole minor units, because floats would round. */
export function total(lines) {
  const sums = new Map();
  for (const { price, quantity } of lines) {
    if (!price) continue;
    const [whole, decimals = ""] = price.amount.split(".");
    const sum = sums.get(price.currency) ?? { units: 0n, digits: 0 };
    const digits = Math.max(sum.digits, decimals.length);
    const scaled = (units, from) => units * 10n ** BigInt(digits - from);
    const units = BigInt(whole + decimals) * BigInt(quantity);
    sums.set(price.currency, { units: scaled(sum.units, sum.digits) + scaled(units, decimals.length), digits });
  }
  return [...sums].map(([currency, { units, digits }]) => ({ amount: decimal(units, digits), currency }));
}

function decimal(units, digits) {
  const text = units.toString().padStart(digits + 1, "0");
  return digits ? `${text.slice(0, -digits)}.${text.slice(-digits)}` : text;
}

export const clock = (t) => intl(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(t));
export const minute = (t) => intl(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit" }).format(new Date(t));
export const when = (t) => intl(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short" }).format(new Date(t));

/** Formats a time with seconds; without them and with the date if that is not today's. */
export const moment = (t, now = Date.now()) => (new Date(t).toDateString() === new Date(now).toDateString() ? clock(t) : when(t));

/** Formats a duration in ms: 3.8 ms, 1.2 s, 4 min. */
export function span(ms) {
  if (ms < 0) return `−${span(-ms)}`;
  if (ms < 1000) return `${rate(ms)} ms`;
  if (ms < 120_000) return `${intl(Intl.NumberFormat, { maximumFractionDigits: 1 }).format(ms / 1000)} s`;
  return `${number(Math.round(ms / 60_000))} min`;
}

export const list = (items) => intl(Intl.ListFormat, {}).format(items);

const rightToLeft = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * Isolates user-provided text inside a plain string, so that right-to-left characters
 * do not reorder the text around it. In markup, <bdi> does this.
 */
export const isolated = (text = "") => (rightToLeft.test(text) ? `\u2068${text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069` : text);

export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** Shortens an ID to its first 4 and last 6 characters. */
export const shortID = (id) => (id.length > 13 ? `${id.slice(0, 4)}…${id.slice(-6)}` : id);

const sentences = {
  network: "The shop cannot be reached. Your device may be offline, or the shop may be restarting.",
  timeout: "The shop took too long to respond.",
  unreadable: "The shop sent a response that this page cannot read. Reload the page and try again.",
  unauthorized: "Your session has ended. Sign in again to continue.",
  forbidden: "Your account does not have permission to do this.",
  internal: "The shop reported an internal error. It has been logged. Please try again.",
  service_away: "This part of the shop is temporarily unavailable.",
  too_many: "Too many requests. Wait a moment, then try again.",
  version_stale: "Someone else changed this in the meantime. Reload it before you continue.",
  product_unknown: "There is no product with this SKU, or it is no longer offered.",
  order_unknown: "There is no order with this ID, or it is not yours.",
  sku_unknown: "There is no item with this SKU.",
  import_unknown: "There is no import with this ID.",
  wish_unknown: "This is not on your wishlist.",
  dead_letter_unknown: "This dead letter no longer exists.",
  dead_letter_closed: "This dead letter was retried, discarded or overtaken in the meantime.",
  dead_letter_behind: "This event waits for an earlier one of its subject. Retry or discard that one first.",
  dead_letter_busy: "An attempt at this event is in progress. Try again in a moment.",
  task_unknown: "The service no longer has this task.",
  task_running: "This task is already running.",
  csv_malformed: "This is not a valid CSV file: its first line cannot be read.",
  delta_zero: "The change must not be 0.",
  external_id_reused: "This ID was already used with different content.",
  cursor_invalid: "This page of the list is no longer available. Go back to the first page.",
};

const byStatus = { 401: "unauthorized", 403: "forbidden", 429: "too_many", 500: "internal", 502: "service_away", 503: "service_away", 504: "timeout" };

/**
 * Returns a sentence for the user about a failed request. It passes on the details of
 * client errors, but never those of server errors, which are internal.
 */
export function explain({ status = 0, code = "", detail = "", errors = [] }) {
  const known = sentences[code] ?? sentences[byStatus[status]];
  if (known) return known;
  if (status < 400 || status >= 500) return sentences.internal;
  if (code === "request_invalid" || code === "request_malformed") return [...new Set(errors.map(fieldProblem))].join(" ") || "The shop could not understand the request.";
  const parts = errors.map((e) => e.detail).filter(Boolean);
  const text = parts.length ? parts.join("; ") : detail;
  return text ? sentence(text) : "The shop rejected the request.";
}

const fieldNames = { sku: "The SKU", quantity: "The quantity", delta: "The change", reason: "The reason", q: "The search text", since: "The time" };

/** Translates a message of the request validator, which is meant for programmers, into a sentence for the user. */
function fieldProblem({ pointer = "", detail = "" }) {
  const place = pointer.split("/").pop();
  const name = fieldNames[place] ?? "A field of the request";
  if (place === "sku" && /match|length/.test(detail)) return skuRule;
  const [, bound, most] = /(least|most|minimum|maximum)\D*([\d.,]+)/.exec(detail) ?? [];
  const least = bound === "least" || bound === "minimum", limit = number(Number(most));
  if (/required|missing|minimum string length is 1$/.test(detail)) return `${name} is missing.`;
  if (!bound) return `${name} has an invalid format.`;
  return /length/.test(detail) ? `${name} must have ${least ? "at least" : "at most"} ${limit} characters.` : `${name} must be ${least ? "at least" : "at most"} ${limit}.`;
}

/** Describes a valid SKU. */
export const skuRule = "A SKU has up to 64 characters: letters, digits, dots, hyphens and underscores, but no spaces.";

export const isSKU = (text) => /^[A-Za-z0-9._-]{1,64}$/.test(text);

/** Capitalises a text and ends it with a full stop. */
export function sentence(text) {
  const t = text.trim();
  return t.charAt(0).toUpperCase() + t.slice(1) + (/[.!?]$/.test(t) ? "" : ".");
}
