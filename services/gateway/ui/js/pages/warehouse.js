// Renders the warehouse page: shipping, receipts, imports and stock corrections.

import { Import } from "../parts/import.js";
import { Adjust, Receive } from "../parts/receive.js";
import { Shipping } from "../parts/shipping.js";
import { Heading, html } from "../view.js";

export default function Warehouse() {
  return html`<${Heading} title="Warehouse" lead="Ship confirmed orders, receive goods and correct stock counts." />
    <div class="two-columns"><${Shipping} /><div><${Receive} /><${Import} /><${Adjust} /></div></div>`;
}
