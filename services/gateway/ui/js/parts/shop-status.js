// An order's life, in words.

import { html } from "../view.js";

const words = { placed: "Being checked", confirmed: "Confirmed", rejected: "Not filled", cancelled: "Cancelled", shipped: "Shipped" };

export const statuses = Object.keys(words);
export const statusLabel = (status) => words[status] ?? status;

export const Status = ({ status }) => html`<span class=${`badge ${status}`}>${statusLabel(status)}</span>`;

const statusSteps = {
  placed: [["Placed", "done"], ["Checking the stock", "now"], ["Shipped", ""]],
  confirmed: [["Placed", "done"], ["Confirmed", "done"], ["Shipped", ""]],
  shipped: [["Placed", "done"], ["Confirmed", "done"], ["Shipped", "done"]],
  rejected: [["Placed", "done"], ["Not filled", "bad"]],
  cancelled: [["Placed", "done"], ["Cancelled", "bad"]],
};

/** The steps of an order in this status: [{label, state}], state being done, now, bad or empty for what is to come. */
export const stepsOf = (status) => (statusSteps[status] ?? statusSteps.placed).map(([label, state]) => ({ label, state }));

export const mayCancel = (order, who) =>
  (order.status === "placed" || order.status === "confirmed") && Boolean(who) && (order.customer === who.subject || who.roles.includes("staff"));
