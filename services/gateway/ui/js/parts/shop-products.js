// Loads products by SKU for the basket and the wishlist.

import { get, withQuery } from "../api.js";

const batchSize = 100; // keeps the URL short

/** Returns {items, skus}: the offered products among these SKUs, and the set of requested SKUs. */
export async function productsOf(skus, signal, read = get) {
  const items = [];
  for (let i = 0; i < skus.length; i += batchSize) {
    const page = await read(withQuery("/products", { sku: skus.slice(i, i + batchSize), limit: 500 }), signal);
    items.push(...page.items);
  }
  return { items, skus: new Set(skus) };
}
