// A slider over the steps at which pictures were logged under one key.
import { getJson } from "./charts.js";

export function slides() {
  for (const section of document.querySelectorAll("[data-pictures]")) slide(section);
}

async function slide(section) {
  const source = new URLSearchParams(section.dataset.source);
  let steps;
  try {
    ({ steps } = await getJson("/data/pictures", [...source, ["key", section.dataset.pictures]]));
  } catch {
    return; // the newest pictures are there as they are
  }
  if (steps.length < 2) return;
  const controls = document.createElement("div");
  controls.className = "controls";
  const label = document.createElement("label");
  const range = document.createElement("input");
  Object.assign(range, { type: "range", min: 0, max: steps.length - 1, value: steps.length - 1, className: "slide" });
  label.append("Step ", range);
  const button = (text, title, by) => {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: text, title });
    made.addEventListener("click", () => { range.value = Number(range.value) + by; show(); });
    return made;
  };
  const count = document.createElement("span");
  count.className = "quiet";
  controls.append(button("‹", "Earlier step", -1), label, button("›", "Later step", 1), count);
  const holder = section.querySelector(".pictures");
  holder.before(controls);
  const show = () => {
    const { step, files } = steps[Number(range.value)];
    section.querySelector(".slide-step").textContent = step;
    count.textContent = `${Number(range.value) + 1} of ${steps.length}`;
    range.setAttribute("aria-valuetext", `step ${step}`);
    holder.replaceChildren(...files.map(([name, caption, isThere]) => picture(source, name, caption, isThere)));
  };
  range.addEventListener("input", show);
  show();
}

function picture(source, name, caption, isThere) {
  const figure = document.createElement("figure");
  figure.className = "card";
  const text = document.createElement("figcaption");
  text.textContent = (caption || name) + (isThere ? "" : " (not uploaded)");
  if (isThere) {
    const image = document.createElement("img");
    image.src = `/data/image?${source}&${new URLSearchParams({ name })}`;
    image.alt = caption || name;
    figure.append(image);
  }
  figure.append(text);
  return figure;
}
