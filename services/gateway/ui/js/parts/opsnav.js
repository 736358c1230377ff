// The ways between the pages of the floor.

import { html } from "../view.js";

const pages = [["/floor", "The dance"], ["/floor/traces", "Traces"], ["/floor/dead-letters", "Dead letters"]];

export function OperationsNav({ at }) {
  return html`<nav class="subnav" aria-label="The floor">${pages.map(([href, name]) => html`<a key=${href} href=${href} aria-current=${href === at ? "page" : null}>${name}</a>`)}</nav>`;
}
