// What the pages do beyond their HTML. Every part looks for its own elements and does nothing where there are none.
import { CONFIG, Charts, getJson, plain, style } from "./charts.js";
import { drawHistograms } from "./histograms.js";
import { slides } from "./pictures.js";
import { drawPlots } from "./plots.js";

const PERIOD = 10_000;
const MOST_RUNS = 40;
const byId = (id) => document.getElementById(id);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const main = byId("main");
const page = main.dataset.page ? JSON.parse(main.dataset.page) : null;

function localTimes() {
  for (const time of all("time")) time.title = new Date(time.dateTime).toLocaleString();
}

function searchTree() {
  const input = document.querySelector(".tree-filter");
  if (!input) return;
  const search = () => {
    const text = input.value.toLowerCase();
    const rows = all("#tree tbody tr");
    const kept = new Set();
    for (const row of rows) {
      if (!`${row.dataset.path} ${row.lastElementChild.textContent}`.toLowerCase().includes(text)) continue;
      const parts = row.dataset.path.split(".");
      parts.forEach((_, at) => kept.add(parts.slice(0, at + 1).join(".")));
    }
    for (const row of rows) row.hidden = !kept.has(row.dataset.path);
    document.querySelector(".nothing").hidden = rows.some((row) => !row.hidden);
  };
  input.addEventListener("input", search);
  search();
  return search;
}

function consoleLine(line) {
  const item = document.createElement("li");
  item.dataset.number = line.number;
  if (line.error) item.className = "error";
  const at = document.createElement("span");
  at.className = "at";
  at.setAttribute("aria-hidden", "true");
  at.textContent = line.number + 1;
  const text = document.createElement("span");
  text.className = "text";
  text.title = line.time ?? "";
  text.textContent = line.text;
  item.append(at, text);
  return item;
}

function watchConsole() {
  const list = byId("console");
  if (!list) return null;
  list.scrollTop = list.scrollHeight;
  const ask = (pairs) => getJson("/data/console", [["entity", page.entity], ["project", page.project], ["run", page.runs[0].name], ...pairs]);
  const button = byId("earlier");
  button.addEventListener("click", async () => {
    const first = Number(list.firstElementChild.dataset.number);
    const { lines } = await ask([["before", first], ["limit", 1000]]);
    const height = list.scrollHeight;
    list.prepend(...lines.map(consoleLine));
    list.scrollTop += list.scrollHeight - height;
    button.hidden = !lines.length || lines[0].number === 0;
  });
  return async () => {
    const last = list.lastElementChild;
    const { lines } = await ask([["after", Number(last.dataset.number) - 1]]); // the last line may have grown since
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    if (lines.length) last.remove();
    list.append(...lines.map(consoleLine));
    if (atEnd) list.scrollTop = list.scrollHeight;
  };
}

function drawMatrix(element) {
  const { labels, counts } = JSON.parse(element.dataset.matrix);
  const totals = counts.map((row) => row.reduce((sum, count) => sum + count, 0) || 1);
  const shares = counts.map((row, at) => row.map((count) => count / totals[at]));
  const names = labels.map((label, at) => plain(labels.indexOf(label) === at ? label : `${label} (${at})`));
  const few = labels.length <= 20;
  const draw = () => {
    const look = style();
    const dark = document.documentElement.dataset.theme === "dark";
    const trace = {
      type: "heatmap", x: names, y: names, z: shares, customdata: counts, zmin: 0, zmax: 1, xgap: 1, ygap: 1,
      colorscale: dark ? [[0, "#1d232b"], [1, "#6fc0f5"]] : [[0, "#eef3f7"], [1, "#0b5c8f"]],
      text: few ? counts.map((row) => row.map(String)) : undefined, texttemplate: few ? "%{text}" : undefined,
      colorbar: { tickformat: ".0%", thickness: 12, outlinewidth: 0, tickfont: { color: look.quiet } },
      hovertemplate: "actual %{y}<br>predicted %{x}<br><b>%{customdata}</b> (%{z:.1%})<extra></extra>",
    };
    const axis = { type: "category", automargin: true, showgrid: false, color: look.text };
    Plotly.react(element, [trace], {
      margin: { l: 50, r: 10, t: 10, b: 50 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: look.font, size: 12 }, modebar: { bgcolor: "rgba(0,0,0,0)", color: look.quiet, activecolor: look.text },
      xaxis: { ...axis, title: { text: "predicted" } }, yaxis: { ...axis, title: { text: "actual" }, autorange: "reversed" },
    }, CONFIG);
  };
  draw();
  document.addEventListener("themechange", draw);
}

function picks() {
  return all(".pick-run:checked").map((box) => ({ name: box.value, label: box.dataset.label, number: Number(box.dataset.number), groups: JSON.parse(box.dataset.groups) }));
}

function watchPicks(charts) {
  if (!byId("compare")) return;
  let soon;
  const changed = () => {
    const chosen = picks();
    byId("delete-button").disabled = !chosen.length;
    byId("compare-button").disabled = !chosen.length || chosen.length > MOST_RUNS;
    byId("picked-count").textContent = `${chosen.length} picked${chosen.length > MOST_RUNS ? `: at most ${MOST_RUNS} can be compared` : ""}`;
    clearTimeout(soon);
    soon = setTimeout(() => charts?.show(chosen.slice(0, MOST_RUNS)), 80);
  };
  main.addEventListener("change", (event) => event.target.matches(".pick-run") && changed());
  byId("pick-none").addEventListener("click", () => {
    for (const box of all(".pick-run")) box.checked = false;
    changed();
  });
  changed();
}

// Exchange what the server would write differently by now, but for what somebody works in.
async function exchange() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of all("[data-live]")) {
    const next = fresh.getElementById(old.id);
    if (!next || old.contains(document.activeElement)) continue;
    const picked = new Set(all(".pick-run:checked", old).map((box) => box.value));
    const [left, top] = [old.scrollLeft, old.scrollTop];
    for (const box of all(".pick-run", next)) {
      box.checked = picked.has(box.value);
    }
    old.replaceWith(next);
    next.scrollTo(left, top);
  }
}

function watchLive(tasks) {
  const box = byId("refresh");
  if (!box) return;
  let busy = false;
  setInterval(async () => {
    if (!box.checked || busy || document.hidden) return;
    busy = true;
    try {
      await exchange();
      for (const task of tasks) await task();
      if (box.dataset.liveRun !== undefined && !document.querySelector(".badge.running")) box.checked = false;
    } catch { /* the tracker may be down for a moment: it is asked again */ } finally {
      busy = false;
    }
  }, PERIOD);
}

async function start() {
  localTimes();
  const tasks = [localTimes];
  const search = searchTree();
  if (search) tasks.push(search);
  const append = watchConsole();
  if (append) tasks.push(append);
  all("[data-matrix]").forEach(drawMatrix);
  drawHistograms();
  slides();
  if (page) drawPlots(page);
  const charts = page && byId("charts") ? new Charts(page) : null;
  if (charts) tasks.push(async () => { await charts.refresh(); charts.swatches(); });
  watchPicks(charts);
  if (charts && !byId("compare")) charts.show(page.runs);
  watchLive(tasks);
}

start();
