// Renders the links between the operations pages.

import { html } from "../view.js";

const pages = [["/operations", "Overview"], ["/operations/traces", "Traces"], ["/operations/dead-letters", "Dead letters"], ["/operations/tasks", "Tasks"]];

export function OperationsNav({ at }) {
  return html`<nav class="subnav" aria-label="Operations">${pages.map(([href, name]) => html`<a key=${href} href=${href} aria-current=${href === at ? "page" : null}>${name}</a>`)}</nav>`;
}
