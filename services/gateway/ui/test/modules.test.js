// Tests that every module and its imports load.

import { readdirSync } from "node:fs";
import { test } from "node:test";

test("every page and part can be loaded", async () => {
  for (const folder of ["pages", "parts"]) {
    const at = new URL(`../js/${folder}/`, import.meta.url);
    for (const file of readdirSync(at)) await import(new URL(file, at));
  }
});
