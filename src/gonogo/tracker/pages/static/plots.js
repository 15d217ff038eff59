// Runs as points of a scatter plot, and as lines across parallel axes.
import { CONFIG, getJson, isDark, plain, style } from "./charts.js";

const byId = (id) => document.getElementById(id);
const picked = () => [...document.querySelectorAll(".axis-column:checked")].map((box) => box.value);
const isNumber = (value) => typeof value === "number";

export async function drawPlots(page) {
  if (!byId("plots")) return;
  const options = [...byId("plot-x").options].map((option) => option.value);
  const metrics = options.filter((key) => key.startsWith("summary."));
  byId("plot-x").value = options.find((key) => key.startsWith("config.")) ?? options[0];
  const named = (key) => options.includes(`config.${key.slice("summary.".length)}`);
  byId("plot-y").value = metrics.find((key) => !named(key)) ?? metrics[0] ?? options[1];
  const columns = options.slice(0, 60);
  let found;
  try {
    found = await getJson("/data/points", [["entity", page.entity], ["project", page.project], ["q", page.query], ...columns.map((key) => ["col", key])]);
  } catch (error) {
    byId("plots-note").textContent = error.message;
    return;
  }
  byId("plots-note").textContent = `${found.runs.length}${found.count > found.runs.length ? ` of ${found.count}` : ""} runs`;
  const column = (key) => found.runs.map((run) => run.values[columns.indexOf(key)] ?? null);
  const scatter = () => drawScatter(page, found.runs, column);
  const parallel = () => drawParallel(page, found.runs, column);
  for (const id of ["plot-x", "plot-y", "plot-colour", "plot-log-x", "plot-log-y"]) byId(id).addEventListener("change", scatter);
  for (const id of ["plot-colour", "plot-y"]) byId(id).addEventListener("change", parallel);
  for (const box of document.querySelectorAll(".axis-column")) box.addEventListener("change", parallel);
  document.addEventListener("themechange", () => { scatter(); parallel(); });
  scatter();
  parallel();
}

const scale = () => (isDark() ? [[0, "#2f5d7c"], [0.5, "#4fc0b0"], [1, "#f2d34a"]] : [[0, "#0b3c6f"], [0.5, "#1d9a8a"], [1, "#d9a400"]]);

// Numbers as they are; anything else by its place among the values.
function coded(values) {
  const texts = values.filter((value) => value !== null && !isNumber(value));
  if (!texts.length) return { numbers: values, names: null };
  const names = [...new Set(values.filter((value) => value !== null).map(String))].sort();
  return { numbers: values.map((value) => (value === null ? null : names.indexOf(String(value)))), names };
}

function drawScatter(page, runs, column) {
  const [x, y, colour] = ["plot-x", "plot-y", "plot-colour"].map((id) => byId(id).value);
  const look = style();
  const tint = colour ? coded(column(colour)) : null;
  const axis = (key, log) => ({
    title: { text: plain(key) }, gridcolor: look.grid, zerolinecolor: look.grid, linecolor: look.grid, automargin: true,
    type: column(key).every((value) => value === null || isNumber(value)) ? (log ? "log" : "linear") : "category",
  });
  const marker = tint
    ? { color: tint.numbers, colorscale: scale(), size: 9, colorbar: { title: { text: plain(colour) }, thickness: 12, outlinewidth: 0, tickvals: tint.names?.map((_, at) => at), ticktext: tint.names?.map((name) => plain(name.slice(0, 30))) } }
    : { color: isDark() ? "#4fa8e8" : "#0072b2", size: 9 };
  const trace = {
    type: "scatter", mode: "markers", x: column(x), y: column(y), marker, text: runs.map((run) => plain(run.label.slice(0, 60))),
    hovertemplate: "%{text}<br>%{x}, <b>%{y}</b><extra></extra>",
  };
  const plot = byId("scatter");
  Plotly.react(plot, [trace], base(look, { xaxis: axis(x, byId("plot-log-x").checked), yaxis: axis(y, byId("plot-log-y").checked) }), CONFIG);
  opens(page, plot, runs, ({ pointIndex }) => pointIndex);
}

// Drawn as ordinary lines: plotly's own parallel coordinates need WebGL, which many remote desktops lack.
function drawParallel(page, runs, column) {
  const look = style();
  const colour = byId("plot-colour").value || byId("plot-y").value;
  const chosen = picked();
  const plot = byId("parallel");
  if (chosen.length < 2) {
    Plotly.purge(plot);
    plot.textContent = "Choose two axes or more.";
    return;
  }
  if (!plot.data) plot.textContent = "";
  const axes = chosen.map((key) => ({ key, values: column(key), ...ends(coded(column(key))) }));
  const tint = ends(coded(column(colour)));
  const traces = runs.map((run, at) => ({
    type: "scatter", mode: "lines+markers", x: axes.map((_, number) => number), y: axes.map((axis) => axis.share(at)), connectgaps: false,
    line: { color: shade(tint.share(at)), width: 1.4 }, marker: { size: 4, color: shade(tint.share(at)) }, name: plain(run.label.slice(0, 60)),
    customdata: axes.map((axis) => plain(`${axis.key} = ${axis.values[at]}`)), hovertemplate: "%{fullData.name}<br>%{customdata}<extra></extra>",
  }));
  const labels = axes.flatMap(({ low, high }, number) => [[high, 1, 12], [low, 0, -12]].map(([text, y, shift]) => ({
    x: number, y, yshift: shift, text: plain(text), showarrow: false, font: { size: 11, color: look.quiet },
  })));
  const lines = axes.map((_, number) => ({ type: "line", x0: number, x1: number, y0: 0, y1: 1, line: { color: look.quiet, width: 1 }, layer: "below" }));
  Plotly.react(plot, traces, base(look, {
    showlegend: false, annotations: labels, shapes: lines, margin: { l: 30, r: 30, t: 20, b: 40 },
    xaxis: { tickvals: axes.map((_, number) => number), ticktext: axes.map(({ key }) => plain(key.length > 26 ? `…${key.slice(-25)}` : key)), range: [-0.25, axes.length - 0.75], showgrid: false, zeroline: false, automargin: true },
    yaxis: { visible: false, range: [-0.12, 1.12], fixedrange: true },
  }), CONFIG);
  opens(page, plot, runs, ({ curveNumber }) => curveNumber);
}

// Where a value stands between the least and the greatest, and how these are written.
function ends({ numbers, names }) {
  const known = numbers.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const text = (value) => (names ? names[value].slice(0, 24) : Number(value.toPrecision(4)).toString());
  return {
    low: known.length ? text(low) : "", high: known.length && high > low ? text(high) : "",
    share: (at) => (numbers[at] === null ? null : high > low ? (numbers[at] - low) / (high - low) : 0.5),
  };
}

function shade(share) {
  if (share === null) return style().quiet;
  const stops = scale().map(([, text]) => [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16)));
  const [left, right, part] = share < 0.5 ? [stops[0], stops[1], share * 2] : [stops[1], stops[2], share * 2 - 1];
  return `rgb(${left.map((value, at) => Math.round(value + (right[at] - value) * part)).join(",")})`;
}

function opens(page, plot, runs, which) {
  plot.removeAllListeners("plotly_click");
  plot.on("plotly_click", ({ points }) => {
    location.assign(`/${[page.entity, page.project, "runs", runs[which(points[0])].name].map(encodeURIComponent).join("/")}`);
  });
}

function base(look, more) {
  return {
    margin: { l: 60, r: 20, t: 12, b: 50 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest",
    font: { family: look.font, size: 12, color: look.quiet }, modebar: { bgcolor: "rgba(0,0,0,0)", color: look.quiet, activecolor: look.text }, ...more,
  };
}
