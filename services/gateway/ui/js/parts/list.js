// Loads paged lists: more pages on request, and all loaded pages again after going back.

import { entryState, address } from "../router.js";
import { ErrorBox, html, useEffect, useLoad, useRef, useState } from "../view.js";

const maxPageSize = 500; // the API's limit

/** Appends a page to a list and skips items that are already in it. */
export function appendPage(known, page, keyOf) {
  const shown = new Set(known.items.map(keyOf));
  return { ...page, items: [...known.items, ...page.items.filter((item) => !shown.has(keyOf(item)))] };
}

/** Loads at least count items from the start of a list. */
export async function loadUpTo(count, pageSize, pageOf, keyOf) {
  let all = await pageOf("", Math.min(maxPageSize, Math.max(pageSize, count)));
  while (all.next && all.items.length < count) all = appendPage(all, await pageOf(all.next, maxPageSize), keyOf);
  return all;
}

/**
 * Loads a list {items, next} as useLoad does. pageOf(after, limit, signal) loads a page.
 * Further pages stay loaded after a reload and after going back. deps are the inputs of
 * pageOf.
 */
export function useList(pageOf, pageSize, keyOf, deps) {
  const of = JSON.stringify(deps);
  const note = entryState(address.get().entry);
  const latest = useRef(note.list);
  const asked = (after, limit, signal) => pageOf(after, limit, signal).then((page) => ({ ...page, of }));
  const load = useLoad((signal) => {
    const count = latest.current?.of === of ? latest.current.items.length : 0;
    return loadUpTo(count, pageSize, (after, limit) => asked(after, limit, signal), keyOf);
  }, deps, note.list?.of === of ? note.list : undefined);
  latest.current = load.data ?? latest.current;
  note.list = latest.current;
  return { ...load, keyOf, pageAfter: (after) => asked(after, pageSize) };
}

/** Renders a button that loads the next page, if there is one. */
export function More({ list }) {
  const [state, setState] = useState({});
  const box = useRef(null), before = useRef(-1);
  useEffect(() => {
    if (before.current < 0) return;
    // The button moved down or disappeared, so focus the first new item.
    box.current?.previousElementSibling?.children[before.current]?.querySelector("a")?.focus();
    before.current = -1;
  }, [list.data]);
  const more = async () => {
    if (state.busy) return;
    setState({ busy: true });
    try {
      const page = await list.pageAfter(list.data.next);
      before.current = box.current?.previousElementSibling?.children.length ?? -1;
      list.set((d) => appendPage(d, page, list.keyOf));
      setState({});
    } catch (problem) {
      setState({ problem });
    }
  };
  return html`<div class=${list.data?.next ? "more" : ""} ref=${box}>${list.data?.next && html`<${ErrorBox} problem=${state.problem} />
    <button type="button" onClick=${more} aria-disabled=${Boolean(state.busy)}>${state.busy ? "Loading…" : "Show more"}</button>`}</div>`;
}
