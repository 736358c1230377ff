// How numbers, money, times and failures are told to a reader.

const locale = globalThis.navigator?.languages?.slice() ?? ["en-GB"];
const formats = new Map();

function intl(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new kind(locale, options));
  return formats.get(key);
}

export const number = (n) => intl(Intl.NumberFormat, {}).format(n);

/** A number where there is little room: 999, 1.2K, 57K. */
export const compact = (n) => intl(Intl.NumberFormat, { notation: "compact" }).format(n);

/** A rate that says 0.4 but not 123.4. */
export const rate = (n) => intl(Intl.NumberFormat, { maximumFractionDigits: n < 10 ? 1 : 0 }).format(n);

export const percent = (share) => intl(Intl.NumberFormat, { style: "percent", maximumFractionDigits: 0 }).format(share);

/** {"amount":"2.55","currency":"GBP"} as the reader writes it. */
export function money(m) {
  if (!m) return "";
  try {
    // A string is formatted exactly; a number would be rounded to 53 bits.
    return intl(Intl.NumberFormat, { style: "currency", currency: m.currency }).format(m.amount);
  } catch {
    return `${m.amount} ${m.currency}`;
  }
}

/** The sum of lines {price, quantity}, by currency, in whole minor units: no floats. */
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

/** A span of milliseconds: 3.8 ms, 1.2 s, 4 min. */
export function span(ms) {
  if (ms < 0) return `−${span(-ms)}`;
  if (ms < 1000) return `${rate(ms)} ms`;
  if (ms < 120_000) return `${intl(Intl.NumberFormat, { maximumFractionDigits: 1 }).format(ms / 1000)} s`;
  return `${number(Math.round(ms / 60_000))} min`;
}

export const list = (items) => intl(Intl.ListFormat, {}).format(items);

const rightToLeft = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * What people named, for the middle of a text without markup: what is written from
 * right to left in it does not turn the rest around. In markup, <bdi> does this.
 */
export const isolated = (text = "") => (rightToLeft.test(text) ? `\u2068${text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069` : text);

export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** The first letters of an ID, enough to tell it from others on the screen. */
export const shortID = (id) => (id.length > 13 ? `${id.slice(0, 4)}…${id.slice(-6)}` : id);

const sentences = {
  network: "The shop cannot be reached. Either this device is offline, or the shop is being restarted.",
  timeout: "The shop took too long to answer.",
  unreadable: "The shop answered in a way that this page does not understand. Loading the page again may help.",
  unauthorized: "You are not signed in any more. Sign in again and go on where you were.",
  forbidden: "Who you are signed in as may not do this.",
  internal: "Something went wrong in the shop. It has been written down there; please try again.",
  service_away: "This part of the shop is away at the moment.",
  too_many: "That was a little fast. Please wait a moment.",
  version_stale: "Somebody else changed this in the meantime. Look at it again before you go on.",
  product_unknown: "There is no product with this SKU, or it is no longer offered.",
  order_unknown: "There is no order with this ID, or it is not yours.",
  sku_unknown: "Nothing with this SKU is known here.",
  import_unknown: "There is no import with this ID.",
  wish_unknown: "This is not on your wishlist.",
  dead_letter_unknown: "This dead letter is gone.",
  csv_malformed: "This is no CSV file: its first line cannot be read.",
  delta_zero: "A change by 0 changes nothing.",
  external_id_reused: "This was sent before with something else in it.",
  cursor_invalid: "This page of the list is no longer there. Start again at its beginning.",
};

const byStatus = { 401: "unauthorized", 403: "forbidden", 429: "too_many", 500: "internal", 502: "service_away", 503: "service_away", 504: "timeout" };

/**
 * A sentence for people on why something failed. What a client error says of
 * itself is written for people; what a server error says is not.
 */
export function explain({ status = 0, code = "", detail = "", errors = [] }) {
  const known = sentences[code] ?? sentences[byStatus[status]];
  if (known) return known;
  if (status < 400 || status >= 500) return sentences.internal;
  if (code === "request_invalid" || code === "request_malformed") return [...new Set(errors.map(fieldProblem))].join(" ") || "The shop did not understand this.";
  const parts = errors.map((e) => e.detail).filter(Boolean);
  const text = parts.length ? parts.join("; ") : detail;
  return text ? sentence(text) : "The shop did not accept this.";
}

const fieldNames = { sku: "The SKU", quantity: "The number of pieces", delta: "The change", reason: "The reason", q: "What is searched for", since: "The time" };

/** What the shop's validator says of one place in a request: it speaks to programmers. */
function fieldProblem({ pointer = "", detail = "" }) {
  const place = pointer.split("/").pop();
  const name = fieldNames[place] ?? "Something in it";
  if (place === "sku" && /match|length/.test(detail)) return skuRule;
  const [, bound, most] = /(least|most|minimum|maximum)\D*([\d.,]+)/.exec(detail) ?? [];
  const least = bound === "least" || bound === "minimum", limit = number(Number(most));
  if (/required|missing|minimum string length is 1$/.test(detail)) return `${name} is missing.`;
  if (!bound) return `${name} is not written as the shop needs it.`;
  return /length/.test(detail) ? `${name} has to have ${least ? "at least" : "at most"} ${limit} letters.` : `${name} has to be ${least ? "at least" : "at most"} ${limit}.`;
}

/** What every SKU is made of. */
export const skuRule = "A SKU has up to 64 letters, digits, dots, hyphens and underscores, and no spaces.";

export const isSKU = (text) => /^[A-Za-z0-9._-]{1,64}$/.test(text);

/** Text with a capital at its beginning and a full stop at its end. */
export function sentence(text) {
  const t = text.trim();
  return t.charAt(0).toUpperCase() + t.slice(1) + (/[.!?]$/.test(t) ? "" : ".");
}
