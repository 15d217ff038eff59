// Histograms over steps: a heat map of all of them, or the bars of one step.
import { CONFIG, getJson, isDark, style } from "./charts.js";

export function drawHistograms() {
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      load(entry.target);
    }
  }, { rootMargin: "300px" });
  for (const figure of document.querySelectorAll("[data-histogram]")) observer.observe(figure);
}

async function load(figure) {
  const plot = figure.querySelector(".plot");
  const select = figure.querySelector("select");
  let found;
  try {
    found = await getJson("/data/histograms", [...new URLSearchParams(figure.dataset.source), ["key", figure.dataset.histogram]]);
  } catch (error) {
    plot.textContent = error.message;
    return;
  }
  if (!found.steps.length) {
    plot.textContent = "None of what was logged here can be drawn.";
    return;
  }
  for (const step of found.steps) select.add(new Option(`step ${step}`, String(step)));
  if (found.steps.length === 1) select.value = String(found.steps[0]);
  const draw = () => Plotly.react(plot, [trace(found, select.value)], layout(found, select.value), CONFIG);
  select.addEventListener("change", draw);
  document.addEventListener("themechange", draw);
  draw();
}

function trace({ edges, steps, counts }, chosen) {
  const middles = edges.slice(1).map((edge, at) => (edge + edges[at]) / 2);
  if (chosen) {
    return {
      type: "bar", x: middles, y: counts[steps.indexOf(Number(chosen))], width: edges[1] - edges[0], marker: { color: isDark() ? "#4fa8e8" : "#0072b2" },
      hovertemplate: "%{x:.4~g}: <b>%{y:.5~g}</b><extra></extra>",
    };
  }
  const scale = isDark() ? [[0, "#1d232b"], [0.15, "#22465f"], [1, "#6fc0f5"]] : [[0, "#eef3f7"], [0.15, "#b9d3e4"], [1, "#0b5c8f"]];
  return {
    type: "heatmap", x: steps, y: middles, z: middles.map((_, bin) => counts.map((row) => row[bin])), colorscale: scale, showscale: false,
    hovertemplate: "step %{x}<br>%{y:.4~g}: <b>%{z:.5~g}</b><extra></extra>",
  };
}

function layout(found, chosen) {
  const look = style();
  const axis = { gridcolor: look.grid, zerolinecolor: look.grid, linecolor: look.grid, automargin: true, nticks: 7 };
  return {
    margin: { l: 44, r: 10, t: 6, b: 34 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", bargap: 0,
    font: { family: look.font, size: 11, color: look.quiet }, modebar: { bgcolor: "rgba(0,0,0,0)", color: look.quiet, activecolor: look.text },
    xaxis: { ...axis, title: { text: chosen ? "value" : "step", standoff: 4, font: { size: 11 } } },
    yaxis: { ...axis, title: { text: chosen ? "count" : "value", font: { size: 11 } } },
  };
}
