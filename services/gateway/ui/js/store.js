// Holds the client state in signals. sessionStorage keeps the session; localStorage
// keeps the basket and the theme.

/** Creates a signal: a value that notifies its listeners when it changes. */
export function signal(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      const became = typeof next === "function" ? next(value) : next;
      if (Object.is(became, value)) return;
      value = became;
      for (const listener of [...listeners]) listener(value);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * Creates a signal that is stored under key and follows changes by other tabs. Stored
 * values that isValid rejects are ignored, because an older version or the user may
 * have written them. Works as a plain signal if the browser denies storage, as some
 * private windows do.
 */
export function kept(storage, key, initial, fits) {
  const parse = (text) => {
    try {
      const value = JSON.parse(text ?? "null");
      return value !== null && fits(value) ? value : initial;
    } catch {
      return initial;
    }
  };
  let box = null, there = null;
  try {
    box = globalThis[storage] ?? null;
    there = box?.getItem(key) ?? null;
  } catch { /* storage is denied */ }
  const c = signal(parse(there));
  c.listen((value) => {
    try {
      if (value === initial || value === null) box?.removeItem(key);
      else box?.setItem(key, JSON.stringify(value));
    } catch { /* storage is full or denied: the value lasts until the page is closed */ }
  });
  globalThis.addEventListener?.("storage", (e) => {
    if (box && e.storageArea === box && e.key === key) c.set(parse(e.newValue));
  });
  return c;
}

export const isText = (v) => typeof v === "string" && v !== "";
const isList = (v, each) => Array.isArray(v) && v.every(each);
const isPrice = (v) => /^\d+(\.\d+)?$/.test(v?.amount) && isText(v.currency);
const isCount = (v) => Number.isSafeInteger(v) && v > 0;
const isLine = (v) => isText(v?.sku) && isCount(v.quantity);

export const isSession = (v) => isText(v.token) && isText(v.subject) && isList(v.roles, isText);

export const isBasket = (v) => isList(v.lines, (l) => isLine(l) && isText(l.title) && (!l.price || isPrice(l.price)))
  && (v.pending === null || (isText(v.pending?.key) && isText(v.pending.subject) && isList(v.pending.body?.lines, isLine)));

/** Holds {token, subject, roles, kind, expires_at} of this tab's signed-in user, or null. */
export const session = kept("sessionStorage", "quadrille.session", null, isSession);

/** Holds the reason for the open sign-in dialog ("asked", "expired", "order" or "wish"), or null. */
export const signingIn = signal(null);

/** Holds "light", "dark", or null to follow the system. */
export const theme = kept("localStorage", "quadrille.theme", null, (v) => v === "light" || v === "dark");

/** Holds the notifications shown: [{id, text, href}]. */
export const notices = signal([]);

let noticeID = 0;

/** Shows a notification for 12 seconds or until the user dismisses it. */
export function notify(text, href) {
  const id = ++noticeID;
  notices.set((all) => [...all.slice(-2), { id, text, href }]);
  setTimeout(() => dismiss(id), 12_000);
}

export const dismiss = (id) => notices.set((all) => all.filter((n) => n.id !== id));

export const isSignedIn = (role) => {
  const s = session.get();
  return Boolean(s) && (!role || role === "customer" || s.roles.includes(role));
};

/**
 * Holds the basket's lines {sku, title, price, quantity}, and in pending the order
 * {key, subject, body} that was sent and has no response yet. A resend uses the same
 * idempotency key, so that the order is placed only once.
 */
export const basket = kept("localStorage", "quadrille.basket", { lines: [], pending: null }, isBasket);

/** Returns the basket with quantity units of a product added. */
export function withProduct(b, { sku, title, price }, quantity = 1) {
  const at = b.lines.findIndex((l) => l.sku === sku);
  if (at < 0) return { ...b, lines: [...b.lines, { sku, title, price, quantity }] };
  return withQuantity(b, sku, b.lines[at].quantity + quantity);
}

/** Returns the basket with the quantity of a SKU set; 0 removes the line. */
export function withQuantity(b, sku, quantity) {
  const lines = quantity > 0
    ? b.lines.map((l) => (l.sku === sku ? { ...l, quantity } : l))
    : b.lines.filter((l) => l.sku !== sku);
  return { ...b, lines };
}

export const itemCount = (b) => b.lines.reduce((sum, l) => sum + l.quantity, 0);

/** Returns a random 128-bit ID in hex. crypto.randomUUID is missing on pages served over plain HTTP. */
export function freshID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
