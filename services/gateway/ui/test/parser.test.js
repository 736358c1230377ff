// Tests the parser of the event stream with any chunking.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parser } from "../js/stream.js";

function frames(...chunks) {
  const got = [];
  const feed = parser((f) => got.push(f));
  for (const c of chunks) feed(c);
  return got;
}

const two = 'retry: 2000\nid: 7\nevent: sales.order_placed\ndata: {"seq":7}\n\n: heartbeat\n\nid: 8\ndata: a\ndata: b\n\n';
const told = [{ retry: 2000, id: "7", event: "sales.order_placed", data: '{"seq":7}' }, { id: "8", data: "a\nb" }];

test("frames come whole, comments not at all", () => assert.deepEqual(frames(two), told));

test("it does not matter where the text is cut", () => {
  for (let i = 0; i <= two.length; i++) assert.deepEqual(frames(two.slice(0, i), two.slice(i)), told, `cut at ${i}`);
  assert.deepEqual(frames(...two), told);
});

test("all three line ends are one", () => {
  for (const end of ["\r\n", "\r"]) assert.deepEqual(frames(...two.replaceAll("\n", end), "\n"), told, JSON.stringify(end));
});

test("a frame that is not ended is not given", () => assert.deepEqual(frames("id: 1\ndata: half\n"), []));

test("one space after the colon belongs to the format, the others to the text", () => {
  assert.deepEqual(frames("data:x\n\n", "data:  y\n\n", "data\n\n"), [{ data: "x" }, { data: " y" }, { data: "" }]);
});

test("what is no number of milliseconds is no pause, and an ID with a NUL is none", () => {
  assert.deepEqual(frames("retry: soon\nid: a\0b\ndata: x\n\n"), [{ data: "x" }]);
});
