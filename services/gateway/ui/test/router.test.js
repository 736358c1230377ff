// Tests how addresses map to pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { currentPath, isAppURL, match } from "../js/router.js";

const routes = ["/", "/products/:sku", "/orders", "/orders/:id", "/floor/traces"].map((pattern) => ({ pattern }));
const found = (path) => {
  const m = match(routes, path);
  return m && [m.route.pattern, m.params];
};

test("an address finds its page and its parts", () => {
  assert.deepEqual(found("/"), ["/", {}]);
  assert.deepEqual(found("/orders/"), ["/orders", {}]);
  assert.deepEqual(found("/orders/a-1"), ["/orders/:id", { id: "a-1" }]);
  assert.deepEqual(found("/floor/traces"), ["/floor/traces", {}]);
  assert.deepEqual(found("/products/a%2Fb%20c"), ["/products/:sku", { sku: "a/b c" }]);
});

test("what fits nothing finds nothing", () => {
  for (const path of ["/order", "/orders/a/b", "/floor", "/products", "/products/%"]) assert.equal(found(path), undefined, path);
});

test("a bookmark of an earlier version leads to the page's current address", () => {
  assert.equal(currentPath("/floor"), "/operations");
  assert.equal(currentPath("/floor/traces"), "/operations/traces");
  for (const path of ["/", "/floors", "/products/floor", "/operations"]) assert.equal(currentPath(path), path);
});

test("links to the API, its documents and other sites are left to the browser", () => {
  const origin = "http://shop.test";
  const ours = (href) => isAppURL(new URL(href, origin), origin);
  for (const href of ["/", "/orders/1", "/basket?x=1", "/documents", "/apian"]) assert.ok(ours(href), href);
  for (const href of ["/api/v1/me", "/docs", "/openapi.yaml", "/ui/1/app.css", "/dev/token", "http://other.test/"]) assert.ok(!ours(href), href);
});
