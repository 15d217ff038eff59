// One colour for each run, the same in every chart and table. The colours can be told apart by the colour-blind; from the ninth run on,
// dashes tell runs of one colour apart.
const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc6699", "#6b3500", "#5b2a86", "#4f93ea", "#444444"];
const DARK = ["#4fa8e8", "#f0743a", "#2cc49a", "#d98acb", "#f2d34a", "#b9e3fb", "#a06bf0", "#9aa3ab"];
export const DASHES = ["solid", "dash", "dot", "dashdot"];
const STROKES = ["", "6 3", "2 3", "6 2 2 2"];
const slots = new Map();

export const isDark = () => document.documentElement.dataset.theme === "dark";

// Runs keep what they once got. A run's own number says which it prefers, so that it looks alike on every page.
export function assign(runs) {
  const taken = new Set(runs.filter((run) => slots.has(run.name)).map((run) => slots.get(run.name)));
  for (const run of runs) {
    if (slots.has(run.name)) continue;
    let slot = run.number % LIGHT.length;
    for (let tries = 1; taken.has(slot) && tries < LIGHT.length; tries++) slot = (slot + 1) % LIGHT.length;
    while (taken.has(slot)) slot += LIGHT.length;
    slots.set(run.name, slot);
    taken.add(slot);
  }
}

export function release(names) {
  for (const name of names) slots.delete(name);
}

export function colour(name) {
  const slot = slots.get(name) ?? 0;
  return (isDark() ? DARK : LIGHT)[slot % LIGHT.length];
}

const dashes = (name) => Math.floor((slots.get(name) ?? 0) / LIGHT.length) % DASHES.length;
export const dash = (name) => DASHES[dashes(name)];

export function paint(element, name, shown = true) {
  element.replaceChildren();
  if (!shown || !slots.has(name)) return;
  const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  line.setAttribute("viewBox", "0 0 18 10");
  line.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M0 5H18");
  path.setAttribute("stroke", colour(name));
  path.setAttribute("stroke-width", "4");
  path.setAttribute("stroke-dasharray", STROKES[dashes(name)]);
  line.append(path);
  element.append(line);
}
