// Computes the layout of the topology diagram. Lengths are pixels at the default text
// size. Each layout is made for the available width instead of being scaled down, so
// that its text stays readable.

/** Lists stream and consumer of each edge to draw before the services respond, or if they do not. */
export const defaultEdges = [
  ["inventory", "sales"], ["inventory", "catalog"], ["inventory", "wishlist"], ["catalog", "sales"], ["sales", "inventory"], ["sales", "stats"],
  ["inventory", "gateway"], ["catalog", "gateway"], ["wishlist", "gateway"], ["sales", "gateway"],
];

/** Lays out the publishers around the gateway, which consumes all streams. */
function wide(width) {
  const w = Math.min(150, 120 + (width - 680) / 8), short = 34;
  const left = 10 + w / 2, stats = width - 10 - w / 2, right = stats - w - short, mid = (left + right) / 2;
  return {
    brief: width < 840, // no room for words on the edges
    box: [width, 410], size: [w, 70],
    at: { inventory: [left, 205], catalog: [mid, 50], gateway: [mid, 205], wishlist: [mid, 360], sales: [right, 205], stats: [stats, 205] },
    bends: { "inventory>sales": [mid, 92, 0.6], "sales>inventory": [mid, 318, 0.55] },
    labels: { "sales>stats": [(right + stats) / 2, 160], "catalog>gateway": [mid, 116], "wishlist>gateway": [mid, 306] },
  };
}

/** Lays out the diagram vertically, for a phone. */
function tall(width) {
  const w = Math.min(140, (width - 48) / 3), few = w < 116, h = few ? 58 : 70;
  const left = 2 + w / 2, mid = width / 2, right = width - left;
  const gap = Math.max((left + mid) / 2, mid - w / 2 - 22); // where an edge passes the gateway
  return {
    brief: true, few, // no room for numbers in the nodes
    box: [width, 520], size: [w, h],
    at: { inventory: [mid, 40], catalog: [left, 200], gateway: [mid, 200], wishlist: [right, 200], sales: [mid, 365], stats: [mid, 480] },
    bends: { "inventory>sales": [2 * gap - mid, 200, 0.84], "sales>inventory": [width - 2 * gap + mid, 200] },
    labels: { "sales>stats": [mid + 40, 426], "inventory>gateway": [mid, 124], "sales>gateway": [mid, 296], "catalog>gateway": [(left + mid) / 2, 248], "wishlist>gateway": [(mid + right) / 2 + 4, 248], ...(few && { "catalog>sales": [left, 274] }) },
  };
}

/** Stacks the nodes, for a small phone or large text. Edges that skip a node run along a side. */
function slim(width) {
  const names = ["inventory", "catalog", "wishlist", "gateway", "sales", "stats"];
  const beside = (i) => [width / 2 + 28, 86 + 94 * i]; // the edge to the next node
  return {
    brief: true, few: true,
    box: [width, 530], size: [width - 68, 54],
    at: Object.fromEntries(names.map((name, i) => [name, [width / 2, 30 + 94 * i]])),
    bends: {}, labels: { "inventory>catalog": beside(0), "wishlist>gateway": beside(2), "sales>gateway": beside(3), "sales>stats": beside(4) },
    sides: { "inventory>wishlist": [-1, 0.5], "inventory>gateway": [-1, 0.6], "inventory>sales": [-1, 0.7], "catalog>gateway": [1, 0.4], "catalog>sales": [1, 0.65], "sales>inventory": [1, 0.8] },
  };
}

export const planFor = (width) => (width < 300 ? slim(Math.max(150, width)) : width < 680 ? tall(width) : wide(Math.min(920, width)));

/**
 * Returns the edge between two nodes: {d, label}. It starts and ends at the borders of
 * their boxes, and bends where a straight line would cross the gateway.
 */
export function pathOf(plan, from, to) {
  const a = plan.at[from], b = plan.at[to];
  if (!a || !b) return null;
  const side = plan.sides?.[`${from}>${to}`];
  if (side) return around(plan, a, b, ...side);
  const own = plan.labels[`${from}>${to}`]; // for edges that are too short for their label
  const bend = plan.bends[`${from}>${to}`];
  const [ax, ay] = edge(plan, a, bend ?? b, 0), [bx, by] = edge(plan, b, bend ?? a, 7);
  if (!bend) return { d: `M${ax} ${ay}L${bx} ${by}`, label: own ?? [(ax + bx) / 2, (ay + by) / 2] };
  const [cx, cy, t = 0.72] = bend; // t is the position of the label
  return { d: `M${ax} ${ay}Q${cx} ${cy} ${bx} ${by}`, label: [quadratic(ax, cx, bx, t), quadratic(ay, cy, by, t)] };
}

const quadratic = (a, c, b, t) => (1 - t) ** 2 * a + 2 * (1 - t) * t * c + t ** 2 * b;

/** Draws an edge along a side, further out the more nodes it skips. Its label is at fraction t. */
function around({ size: [w] }, [x, ay], [, by], side, t) {
  const down = Math.sign(by - ay), out = x + side * (w / 2 + 8 + Math.abs(by - ay) / 10);
  const from = [x + side * (w / 2), ay + 9 * down], to = [x + side * (w / 2 + 7), by - 9 * down];
  return { d: `M${from.map(tenth).join(" ")}C${tenth(out)} ${from[1]} ${tenth(out)} ${to[1]} ${to.map(tenth).join(" ")}`, label: [from[0] + 3 * t * (1 - t) * (out - from[0]), ay + (by - ay) * t * t * (3 - 2 * t) + 4] };
}

/** Returns where the line from a box's centre to a point leaves the box, plus a gap. */
function edge({ size: [w, h] }, [x, y], [tx, ty], gap) {
  const dx = tx - x, dy = ty - y;
  const scale = Math.min(dx ? w / 2 / Math.abs(dx) : Infinity, dy ? h / 2 / Math.abs(dy) : Infinity);
  const long = Math.hypot(dx, dy) || 1;
  return [tenth(x + dx * scale + (dx / long) * gap), tenth(y + dy * scale + (dy / long) * gap)];
}

const tenth = (n) => Math.round(n * 10) / 10;
