// The charts: which metrics there are, which of them are in sight, and how their curves are drawn.
import { aggregate } from "./aggregate.js";
import { assign, colour, dash, isDark, paint, release } from "./colours.js";

export { isDark };

const BATCH = 24;
// Plotly offers to send charts to a cloud of its maker's: what is logged here stays here.
export const CONFIG = {
  displaylogo: false, responsive: true, showTips: false, showSendToCloud: false, plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};
const byId = (id) => document.getElementById(id);

// Plotly reads some HTML in texts: what runs are called is no HTML.
export const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

export function style() {
  const of = getComputedStyle(document.documentElement);
  const read = (name) => of.getPropertyValue(name).trim();
  return { text: read("--text"), grid: read("--line"), surface: read("--surface"), quiet: read("--quiet"), font: of.fontFamily };
}

export async function getJson(path, pairs) {
  const answer = await fetch(`${path}?${new URLSearchParams(pairs)}`, { headers: { accept: "application/json" } });
  if (answer.status === 401) location.assign("/login");
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `the tracker answered ${answer.status}`);
  return answer.json();
}

export function smoothed(values, weight) {
  let sum = 0;
  let norm = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = sum * weight + (1 - weight) * value;
    norm = norm * weight + (1 - weight);
    return sum / norm;
  });
}

export class Charts {
  constructor(page) {
    this.page = page;
    this.runs = [];
    this.hidden = new Set();
    this.metrics = [];
    this.curves = new Map();
    this.visible = new Set();
    this.figures = new Map();
    this.asked = 0;
    this.settings = { smoothing: 0, axis: "step", log: false, filter: "", aggregate: "" };
    this.observer = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "300px" });
    this.bind();
    document.addEventListener("themechange", () => this.redraw());
  }

  bind() {
    const listen = (id, event, take) => byId(id).addEventListener(event, (happened) => take(happened.target));
    listen("smoothing", "input", (input) => {
      this.settings.smoothing = Number(input.value);
      byId("smoothing-value").textContent = input.value;
      this.redraw();
    });
    listen("axis", "change", (select) => { this.settings.axis = select.value; this.redraw(); });
    listen("log", "change", (box) => { this.settings.log = box.checked; this.redraw(); });
    listen("aggregate", "change", (select) => { this.settings.aggregate = select.value; this.hidden.clear(); this.colour(); this.redraw(); });
    listen("metric-filter", "input", (input) => { this.settings.filter = input.value.toLowerCase(); this.layOut(); });
    // Browsers fill in what was chosen before a reload.
    this.settings.smoothing = Number(byId("smoothing").value);
    byId("smoothing-value").textContent = byId("smoothing").value;
    this.settings.axis = byId("axis").value;
    this.settings.log = byId("log").checked;
    this.settings.filter = byId("metric-filter").value.toLowerCase();
  }

  async show(runs) {
    this.runs = runs;
    this.offer();
    this.colour();
    this.swatches();
    await this.loadMetrics();
  }

  // What the runs can be grouped by: what some of them have in common.
  offer() {
    const select = byId("aggregate");
    const keys = [...new Set(this.runs.flatMap((run) => Object.keys(run.groups ?? {})))];
    const shared = keys.filter((key) => new Set(this.runs.map((run) => run.groups?.[key])).size < this.runs.length);
    const wanted = this.runs.length > 1 ? ["", "*", ...shared] : [""];
    if (!wanted.includes(this.settings.aggregate)) this.settings.aggregate = "";
    const name = (key) => (key === "" ? "each run" : key === "*" ? "mean ± sd of all" : `mean ± sd by ${key}`);
    select.replaceChildren(...wanted.map((key) => new Option(name(key), key, false, key === this.settings.aggregate)));
    byId("aggregate-choice").hidden = this.runs.length < 2;
  }

  // What is drawn as one curve: a run, or the runs of a group.
  series() {
    const by = this.settings.aggregate;
    if (!by) return this.runs.map((run) => ({ name: run.name, label: run.label, number: run.number, members: [run] }));
    const groups = new Map();
    for (const run of this.runs) {
      const value = by === "*" ? "all" : run.groups?.[by] ?? "–";
      if (!groups.has(value)) groups.set(value, []);
      groups.get(value).push(run);
    }
    return [...groups].map(([value, members], number) => ({
      name: `${by} ${value}`, label: `${by === "*" ? "" : `${by.replace(/^config\./, "")} = `}${value} (n = ${members.length})`, number, members,
    }));
  }

  colour() {
    const series = this.series();
    const kept = new Set(series.map(({ name }) => name));
    release((this.coloured ?? []).filter((name) => !kept.has(name)));
    this.coloured = [...kept];
    assign(series);
  }

  pairs(runs) {
    return [["entity", this.page.entity], ["project", this.page.project], ...runs.map((run) => ["run", run.name])];
  }

  async loadMetrics() {
    const asked = ++this.asked;
    if (!this.runs.length) {
      this.metrics = [];
      return this.layOut();
    }
    try {
      const { metrics } = await getJson("/data/metrics", this.pairs(this.runs));
      if (asked !== this.asked) return undefined; // other runs were picked meanwhile
      this.metrics = metrics;
      this.layOut();
      return this.load(false);
    } catch (error) {
      return this.note(`The metrics can't be shown: ${error.message}`);
    }
  }

  note(text) {
    byId("charts-note").textContent = text;
    byId("charts-note").hidden = !text;
  }

  layOut() {
    const fitting = this.metrics.filter((name) => name.toLowerCase().includes(this.settings.filter));
    const groups = new Map();
    for (const name of fitting) {
      const at = name.indexOf("/");
      const group = at > 0 ? name.slice(0, at) : "";
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(name);
    }
    // Groups of a single metric stand together: each in a row of its own would leave most of the page empty.
    for (const [group, names] of [...groups]) {
      if (!group || group === "system" || names.length > 1) continue;
      groups.delete(group);
      groups.set("", [...(groups.get("") ?? []), ...names]);
    }
    const rank = (group) => (group === "system" ? 2 : group ? 1 : 0);
    const order = [...groups.keys()].sort((one, other) => rank(one) - rank(other) || one.localeCompare(other));
    const wanted = new Set(fitting);
    for (const [name, figure] of this.figures) if (!wanted.has(name)) this.drop(name, figure);
    const holder = byId("groups");
    for (const old of [...holder.children]) if (!groups.has(old.dataset.group)) old.remove();
    let previous = null;
    for (const group of order) {
      const details = this.group(holder, group, groups.get(group));
      if (details.previousElementSibling !== previous) previous ? previous.after(details) : holder.prepend(details);
      previous = details;
    }
    const empty = this.runs.length ? "No numbers were logged so far: run.log({\"loss\": loss}) makes a chart." : "Pick runs in the table to see their curves.";
    this.note(fitting.length ? "" : this.settings.filter && this.metrics.length ? "No metric fits this name." : empty);
  }

  group(holder, group, names) {
    let details = [...holder.children].find((child) => child.dataset.group === group);
    if (!details) {
      details = document.createElement("details");
      details.dataset.group = group;
      details.className = "group";
      details.open = group !== "system";
      const summary = document.createElement("summary");
      const grid = document.createElement("div");
      grid.className = "grid";
      details.append(summary, grid);
      holder.append(details);
    }
    details.firstElementChild.textContent = `${group || "metrics"} (${names.length})`;
    const grid = details.lastElementChild;
    for (const name of names.sort((one, other) => one.localeCompare(other))) {
      if (!this.figures.has(name)) this.figures.set(name, this.figure(name, group));
      grid.append(this.figures.get(name));
    }
    return details;
  }

  figure(name, group) {
    const figure = document.createElement("figure");
    figure.className = "chart card";
    figure.dataset.metric = name;
    const caption = document.createElement("figcaption");
    const title = document.createElement("span");
    title.textContent = group && name.length > group.length + 1 ? name.slice(group.length + 1) : name;
    title.title = name;
    const widen = document.createElement("button");
    widen.type = "button";
    widen.className = "plain";
    widen.textContent = "⤢";
    widen.title = "Larger or smaller";
    widen.setAttribute("aria-label", `Larger or smaller: ${name}`);
    widen.addEventListener("click", () => {
      figure.classList.toggle("wide");
      if (plot.data) Plotly.Plots.resize(plot);
    });
    caption.append(title, widen);
    const plot = document.createElement("div");
    plot.className = "plot";
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `Chart of ${name}`);
    figure.append(caption, plot);
    this.observer.observe(figure);
    return figure;
  }

  drop(name, figure) {
    this.observer.unobserve(figure);
    this.visible.delete(name);
    this.figures.delete(name);
    const plot = figure.querySelector(".plot");
    if (plot.data) Plotly.purge(plot);
    figure.remove();
  }

  seen(entries) {
    for (const entry of entries) {
      const name = entry.target.dataset.metric;
      if (entry.isIntersecting) this.visible.add(name);
      else this.visible.delete(name);
    }
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.load(false), 30);
  }

  // Get what is in sight and not here yet, or all that is in sight, and draw it.
  async load(again) {
    const known = (run, name) => this.curves.get(run.name)?.has(name);
    const names = [...this.visible].filter((name) => this.figures.has(name));
    const lacking = names.filter((name) => again || this.runs.some((run) => !known(run, name)));
    names.filter((name) => !lacking.includes(name)).forEach((name) => this.draw(name));
    for (let at = 0; at < lacking.length; at += BATCH) {
      const batch = lacking.slice(at, at + BATCH);
      const runs = this.runs.filter((run) => again || batch.some((name) => !known(run, name)));
      try {
        const answer = await getJson("/data/curves", [...this.pairs(runs), ...batch.map((name) => ["key", name])]);
        for (const run of runs) this.keep(run.name, batch, answer.runs[run.name] ?? []);
        batch.forEach((name) => this.draw(name));
      } catch (error) {
        return this.note(`The curves can't be shown: ${error.message}`);
      }
    }
    return undefined;
  }

  keep(run, names, grids) {
    if (!this.curves.has(run)) this.curves.set(run, new Map());
    const own = this.curves.get(run);
    for (const name of names) own.set(name, null);
    for (const grid of grids) for (const [name, values] of Object.entries(grid.curves)) own.set(name, { grid, values });
  }

  redraw() {
    this.swatches();
    for (const name of this.visible) this.draw(name);
  }

  draw(name) {
    const plot = this.figures.get(name)?.querySelector(".plot");
    if (!plot || !plot.isConnected || !plot.clientWidth || !window.Plotly) return;
    const axis = this.settings.axis === "step" && name.startsWith("system/") ? "runtime" : this.settings.axis;
    const drawn = this.series()
      .filter((series) => !this.hidden.has(series.name))
      .map((series) => ({ series, curves: series.members.map((run) => this.curves.get(run.name)?.get(name)).filter(Boolean) }))
      .filter(({ curves }) => curves.length);
    const unit = axis === "runtime" ? timeUnit(drawn.flatMap(({ curves }) => curves.map((curve) => curve.grid.runtime.at(-1) ?? 0))) : null;
    const traces = drawn.flatMap(({ series, curves }) => (this.settings.aggregate
      ? this.band(series, aggregate(curves.map((curve) => [positions(curve.grid, axis, unit), curve.values])))
      : this.traces(series, curves[0], positions(curves[0].grid, axis, unit))));
    Plotly.react(plot, traces, this.layout(name, axis, unit), CONFIG);
  }

  traces(run, curve, x) {
    const few = curve.values.filter((value) => value !== null).length <= 30;
    const line = { color: colour(run.name), width: 1.6, dash: dash(run.name) };
    const one = this.runs.length === 1;
    const base = {
      x, type: "scatter", mode: few ? "lines+markers" : "lines", marker: { size: 5, color: line.color }, name: plain(cut(run.label, 60)), line,
      hovertemplate: one ? "%{y:.5~g}<extra></extra>" : "%{fullData.name}<br>%{x}: <b>%{y:.5~g}</b><extra></extra>",
    };
    const weight = this.settings.smoothing;
    if (!weight) return [{ ...base, y: curve.values }];
    const raw = { ...base, y: curve.values, opacity: 0.28, hoverinfo: "skip", hovertemplate: null, line: { ...line, width: 1 }, mode: "lines" };
    return [raw, { ...base, y: smoothed(curve.values, weight), mode: "lines" }];
  }

  // The range around a value that never changes: plotly would show everything from -1 to 1 more.
  flat(name) {
    if (this.settings.log) return {};
    const values = this.runs.flatMap((run) => this.curves.get(run.name)?.get(name)?.values ?? []).filter((value) => value !== null);
    const [first] = values;
    if (first === undefined || !first || values.some((value) => value !== first)) return {};
    return { range: [first - Math.abs(first) / 2, first + Math.abs(first) / 2] };
  }

  // A mean with what lies within a standard deviation around it.
  band(series, { x, mean, low, high, count }) {
    const weight = this.settings.smoothing;
    const smooth = (values) => (weight ? smoothed(values, weight) : values);
    const tint = colour(series.name);
    const edge = { x, type: "scatter", mode: "lines", line: { width: 0, color: tint }, hoverinfo: "skip", showlegend: false };
    const fill = `${tint}33`;
    return [
      { ...edge, y: smooth(low) },
      { ...edge, y: smooth(high), fill: "tonexty", fillcolor: fill },
      {
        x, y: smooth(mean), type: "scatter", mode: x.length <= 30 ? "lines+markers" : "lines", marker: { size: 5, color: tint },
        line: { color: tint, width: 1.8, dash: dash(series.name) }, name: plain(cut(series.label, 60)),
        customdata: count.map((number, at) => [number, (high[at] - low[at]) / 2]),
        hovertemplate: "%{fullData.name}<br>%{x}: <b>%{y:.5~g}</b> ± %{customdata[1]:.3~g} (of %{customdata[0]})<extra></extra>",
      },
    ];
  }

  layout(name, axis, unit) {
    const look = style();
    const title = { step: "step", runtime: `time (${unit?.name})`, wall: "" }[axis];
    const flat = this.flat(name);
    const lines = { gridcolor: look.grid, zerolinecolor: look.grid, linecolor: look.grid, automargin: true };
    return {
      margin: { l: 44, r: 10, t: 6, b: 34 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
      font: { family: look.font, size: 11, color: look.quiet },
      hovermode: this.runs.length === 1 ? "x unified" : "closest",
      hoverlabel: { bgcolor: look.surface, bordercolor: look.grid, font: { family: look.font, size: 12, color: look.text }, align: "left" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: look.quiet, activecolor: look.text },
      xaxis: { ...lines, type: axis === "wall" ? "date" : "linear", title: { text: title, standoff: 4, font: { size: 11 } }, nticks: 7 },
      yaxis: { ...lines, ...flat, type: this.settings.log ? "log" : "linear", exponentformat: "power", nticks: 6 },
      uirevision: `${name} ${axis} ${this.settings.log}`,
    };
  }

  swatches() {
    const all = this.series();
    const of = new Map(all.flatMap((series) => series.members.map((run) => [run.name, series.name])));
    for (const swatch of document.querySelectorAll(".swatch")) paint(swatch, of.get(swatch.dataset.run), of.has(swatch.dataset.run));
    const legend = byId("legend");
    legend.replaceChildren();
    if (this.runs.length < 2) return;
    for (const run of all) {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const swatch = document.createElement("span");
      button.type = "button";
      button.className = "plain";
      button.setAttribute("aria-pressed", String(!this.hidden.has(run.name)));
      button.title = `Hide or show ${run.label}`;
      swatch.className = "line";
      paint(swatch, run.name);
      const label = document.createElement("span");
      label.textContent = cut(run.label, 40);
      button.append(swatch, label);
      button.addEventListener("click", () => {
        if (!this.hidden.delete(run.name)) this.hidden.add(run.name);
        button.setAttribute("aria-pressed", String(!this.hidden.has(run.name)));
        for (const name of this.visible) this.draw(name);
      });
      item.append(button);
      legend.append(item);
    }
  }

  async refresh() {
    const asked = ++this.asked;
    const { metrics } = await getJson("/data/metrics", this.pairs(this.runs));
    if (asked !== this.asked) return;
    this.metrics = metrics;
    // What is out of sight is asked for anew when it comes into sight.
    for (const own of this.curves.values()) for (const name of [...own.keys()]) if (!this.visible.has(name)) own.delete(name);
    this.layOut();
    await this.load(true);
  }
}

function timeUnit(ends) {
  const longest = Math.max(0, ...ends);
  if (longest > 7200) return { name: "hours", seconds: 3600 };
  return longest > 300 ? { name: "minutes", seconds: 60 } : { name: "seconds", seconds: 1 };
}

function positions(grid, axis, unit) {
  if (axis === "step") return grid.step;
  if (axis === "runtime") return grid.runtime.map((time) => (time === null ? null : time / unit.seconds));
  const shift = new Date().getTimezoneOffset() * 60; // plotly knows no time zones
  return grid.wall.map((time) => (time === null ? null : (time - shift) * 1000));
}
