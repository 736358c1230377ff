// Names events for display and builds links to their traces.

import { withQuery } from "../api.js";
import { shortID } from "../format.js";

const words = {
  "inventory.sku_processed": "Stock changed",
  "inventory.order_allocated": "Stock reserved",
  "inventory.order_rejected": "Stock not sufficient",
  "catalog.product_changed": "Product changed",
  "catalog.product_withdrawn": "Product withdrawn",
  "wishlist.item_wished": "Added to wishlist",
  "wishlist.item_available": "Wished product available",
  "sales.order_placed": "Order placed",
  "sales.order_confirmed": "Order confirmed",
  "sales.order_rejected": "Order rejected",
  "sales.order_cancelled": "Order cancelled",
  "sales.order_shipped": "Order shipped",
  "sales.order_overdue": "Order overdue",
};

/** Returns the label of an event type. Derives it from the type's name if unknown. */
export function eventLabel(type) {
  const known = words[type];
  if (known) return known;
  const plain = type.slice(type.indexOf(".") + 1).replaceAll("_", " ");
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

/** Returns a short label of an event's subject. */
export function subjectLabel({ subject, service }) {
  if (service === "wishlist") return subject.split("/").map(decoded).join(" · ");
  return /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(subject) ? shortID(subject) : subject;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // invalid percent-encoding
  }
}

export const traceURL = (subject) => withQuery("/operations/traces", { subject });
export const correlationURL = (correlation) => withQuery("/operations/traces", { correlation });
