// The next page of a list, below what is shown of it.

import { Trouble, html, useState } from "../view.js";

/** What is known of a list with the page that follows it. */
export function joined(known, page, keyOf) {
  const shown = new Set(known.items.map(keyOf));
  return { ...page, items: [...known.items, ...page.items.filter((item) => !shown.has(keyOf(item)))] };
}

/** Asks pageAfter(cursor) for more of a load's {items, next}, while there is more. */
export function More({ load, pageAfter, keyOf }) {
  const [state, setState] = useState({});
  if (!load.data?.next) return null;
  const more = async () => {
    if (state.busy) return;
    setState({ busy: true });
    try {
      const page = await pageAfter(load.data.next);
      load.set((d) => joined(d, page, keyOf));
      setState({});
    } catch (problem) {
      setState({ problem });
    }
  };
  return html`<div class="more"><${Trouble} problem=${state.problem} />
    <button type="button" onClick=${more} aria-disabled=${Boolean(state.busy)}>${state.busy ? "Loading…" : "Show more"}</button></div>`;
}
