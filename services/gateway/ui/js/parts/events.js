// What events are called by people, and where to read on about one.

import { withQuery } from "../api.js";
import { shortID } from "../format.js";

const words = {
  "inventory.sku_processed": "Stock changed",
  "inventory.order_allocated": "Goods set aside",
  "inventory.order_rejected": "Goods could not be set aside",
  "catalog.product_changed": "Product changed",
  "catalog.product_withdrawn": "Product withdrawn",
  "wishlist.item_wished": "Wish made",
  "wishlist.item_available": "Wish can be had",
  "sales.order_placed": "Order placed",
  "sales.order_confirmed": "Order confirmed",
  "sales.order_rejected": "Order rejected",
  "sales.order_cancelled": "Order cancelled",
  "sales.order_shipped": "Order shipped",
};

/** An event's type in words; one that is not known yet keeps its name, made readable. */
export function eventLabel(type) {
  const known = words[type];
  if (known) return known;
  const plain = type.slice(type.indexOf(".") + 1).replaceAll("_", " ");
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

/** What an event is about, short enough for a line. */
export function subjectLabel({ subject, service }) {
  if (service === "wishlist") return subject.split("/").map(decoded).join(" · ");
  return /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(subject) ? shortID(subject) : subject;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray %
  }
}

export const traceURL = (subject) => withQuery("/floor/traces", { subject });
export const correlationURL = (correlation) => withQuery("/floor/traces", { correlation });
