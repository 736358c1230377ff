// Products by their SKUs, as the basket and the wishlist need them.

import { get, withQuery } from "../api.js";

const atOnce = 100; // an address has its limits

/** {items, skus}: the products of these SKUs that are offered, and what was asked for. */
export async function productsOf(skus, signal, read = get) {
  const items = [];
  for (let i = 0; i < skus.length; i += atOnce) {
    const page = await read(withQuery("/products", { sku: skus.slice(i, i + atOnce), limit: 500 }), signal);
    items.push(...page.items);
  }
  return { items, skus: new Set(skus) };
}
