// Describes the status of an order.

import { html } from "../view.js";

const words = { placed: "Checking stock", confirmed: "Confirmed", rejected: "Not fulfilled", cancelled: "Cancelled", shipped: "Shipped" };

export const statuses = Object.keys(words);
export const statusLabel = (status) => words[status] ?? status;

export const Status = ({ status }) => html`<span class=${`badge ${status}`}>${statusLabel(status)}</span>`;

const statusSteps = {
  placed: [["Placed", "done"], ["Checking stock", "now"], ["Shipped", ""]],
  confirmed: [["Placed", "done"], ["Confirmed", "done"], ["Shipped", ""]],
  shipped: [["Placed", "done"], ["Confirmed", "done"], ["Shipped", "done"]],
  rejected: [["Placed", "done"], ["Not fulfilled", "bad"]],
  cancelled: [["Placed", "done"], ["Cancelled", "bad"]],
};

/** Returns the steps of an order: [{label, state}]. state is "done", "now", "bad", or "" for a future step. */
export const stepsOf = (status) => (statusSteps[status] ?? statusSteps.placed).map(([label, state]) => ({ label, state }));

export const mayCancel = (order, who) =>
  (order.status === "placed" || order.status === "confirmed") && Boolean(who) && (order.customer === who.subject || who.roles.includes("staff"));
