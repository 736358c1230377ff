// Where the dancers stand, and how the paths between them run.

/** Who reads whom: what is drawn before, and where, somebody does not answer. */
export const usual = [
  ["inventory", "sales"], ["inventory", "catalog"], ["inventory", "wishlist"], ["catalog", "sales"], ["sales", "inventory"], ["sales", "stats"],
  ["inventory", "gateway"], ["catalog", "gateway"], ["wishlist", "gateway"], ["sales", "gateway"],
];

/** Four around the gateway, which watches them all. */
const wide = {
  box: [920, 410], size: [150, 70],
  at: { inventory: [90, 205], catalog: [370, 50], gateway: [370, 205], wishlist: [370, 360], sales: [650, 205], stats: [835, 205] },
  bends: { "inventory>sales": [370, 92], "sales>inventory": [370, 318] },
  labels: { "sales>stats": [742, 160], "catalog>gateway": [370, 116], "wishlist>gateway": [370, 306] },
};

/** The same turned by a quarter, for a phone. */
const tall = {
  brief: true, // no room for words on the paths
  box: [360, 530], size: [100, 66],
  at: { inventory: [180, 40], catalog: [54, 205], gateway: [180, 205], wishlist: [306, 205], sales: [180, 370], stats: [180, 490] },
  bends: { "inventory>sales": [62, 205], "sales>inventory": [298, 205] },
  labels: { "sales>stats": [236, 434], "inventory>gateway": [180, 130], "sales>gateway": [180, 300], "catalog>gateway": [96, 256], "wishlist>gateway": [264, 256] },
};

export const planFor = (width) => (width < 640 ? tall : wide);

/**
 * The path from one to another: {d, label}. It begins and ends at the edges of
 * their boxes, and is bent where a straight one would cross the gateway.
 */
export function pathOf(plan, from, to) {
  const a = plan.at[from], b = plan.at[to];
  if (!a || !b) return null;
  const own = plan.labels[`${from}>${to}`]; // where the path is too short for what is written on it
  const bend = plan.bends[`${from}>${to}`];
  const [ax, ay] = edge(plan, a, bend ?? b, 0), [bx, by] = edge(plan, b, bend ?? a, 7);
  if (!bend) return { d: `M${ax} ${ay}L${bx} ${by}`, label: own ?? [(ax + bx) / 2, (ay + by) / 2] };
  const [cx, cy] = bend;
  return { d: `M${ax} ${ay}Q${cx} ${cy} ${bx} ${by}`, label: [quadratic(ax, cx, bx, 0.72), quadratic(ay, cy, by, 0.72)] };
}

const quadratic = (a, c, b, t) => (1 - t) ** 2 * a + 2 * (1 - t) * t * c + t ** 2 * b;

/** Where the line from the middle of a box towards a point leaves it, and a gap further. */
function edge({ size: [w, h] }, [x, y], [tx, ty], gap) {
  const dx = tx - x, dy = ty - y;
  const scale = Math.min(dx ? w / 2 / Math.abs(dx) : Infinity, dy ? h / 2 / Math.abs(dy) : Infinity);
  const long = Math.hypot(dx, dy) || 1;
  return [round(x + dx * scale + (dx / long) * gap), round(y + dy * scale + (dy / long) * gap)];
}

const round = (n) => Math.round(n * 10) / 10;
