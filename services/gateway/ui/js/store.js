// What the browser keeps: cells that views listen to, some of which outlive the
// page (the session a tab, the basket and the theme the browser).

/** A value that tells those who listen when it becomes another. */
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
 * A cell that is kept in storage under key, and follows what other tabs write
 * there. What does not fit is as good as nothing: a page must not fail for good on
 * what an older version, or a person, left there. Where storage is refused (private
 * windows) it works as a plain cell.
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
  } catch { /* refused */ }
  const c = signal(parse(there));
  c.listen((value) => {
    try {
      if (value === initial || value === null) box?.removeItem(key);
      else box?.setItem(key, JSON.stringify(value));
    } catch { /* full or refused: it holds until the page is left */ }
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

/** {token, subject, roles, kind, expires_at} of who is signed in in this tab, or null. */
export const session = kept("sessionStorage", "quadrille.session", null, isSession);

/** Why the sign-in dialog is open ("asked", "expired", "order"), or null. */
export const signingIn = signal(null);

/** "light", "dark", or null where the system decides. */
export const theme = kept("localStorage", "quadrille.theme", null, (v) => v === "light" || v === "dark");

/** Short news that come and go: [{id, text, href}]. */
export const notices = signal([]);

let noticeID = 0;

/** Shows a notice until it is put away, or for 12 seconds. */
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
 * The basket: lines {sku, title, price, quantity}, and under pending the order
 * that was sent and not answered yet, {key, subject, body}: it is sent again
 * under the same key, so that it is placed once however often it is sent.
 */
export const basket = kept("localStorage", "quadrille.basket", { lines: [], pending: null }, isBasket);

/** The basket with quantity more of a product in it. */
export function withProduct(b, { sku, title, price }, quantity = 1) {
  const at = b.lines.findIndex((l) => l.sku === sku);
  if (at < 0) return { ...b, lines: [...b.lines, { sku, title, price, quantity }] };
  return withQuantity(b, sku, b.lines[at].quantity + quantity);
}

/** The basket with so many of a SKU in it; none at all takes the line out. */
export function withQuantity(b, sku, quantity) {
  const lines = quantity > 0
    ? b.lines.map((l) => (l.sku === sku ? { ...l, quantity } : l))
    : b.lines.filter((l) => l.sku !== sku);
  return { ...b, lines };
}

export const itemCount = (b) => b.lines.reduce((sum, l) => sum + l.quantity, 0);

/** An ID that nobody else has. Not crypto.randomUUID: that is missing where the page came over plain HTTP. */
export function freshID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
