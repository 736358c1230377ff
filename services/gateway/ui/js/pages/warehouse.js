// The warehouse: what comes in, and what goes out.

import { Import } from "../parts/import.js";
import { Adjust, Receive } from "../parts/receive.js";
import { Shipping } from "../parts/shipping.js";
import { Heading, html } from "../view.js";

export default function Warehouse() {
  return html`<${Heading} title="Warehouse" lead="What comes in, and what goes out." />
    <div class="two-columns"><${Shipping} /><div><${Receive} /><${Import} /><${Adjust} /></div></div>`;
}
