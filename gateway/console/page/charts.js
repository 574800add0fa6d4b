// Line charts in SVG, a legend, and the same numbers as a table: nothing is to be seen that cannot be read.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 480, HEIGHT = 170, LEFT = 40, RIGHT = 6, TOP = 8, BOTTOM = 20;

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A number that is as high as the highest value, or a little more, and round. */
function ceiling(highest) {
  if (!(highest > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  return [1, 2, 5, 10].map((factor) => factor * power).find((round) => round >= highest);
}

export function written(number) {
  if (number === null || number === undefined) return "-";
  if (number === 0) return "0";
  return number >= 100 ? number.toFixed(0) : number >= 1 ? number.toFixed(1) : number.toPrecision(2);
}

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function time(seconds) {
  return clock.format(new Date(seconds * 1000));
}

/** A chart in a figure. `draw(times, series)`: seconds since the epoch; `[{name, values}]`, null where there is nothing. */
export class Chart {
  constructor(figure, label) {
    this.label = label;
    this.svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, preserveAspectRatio: "none" });
    this.legend = element("ul", { class: "legend" });
    this.body = element("tbody", {});
    this.head = element("tr", {});
    const table = element("table", {}, element("caption", {}, `${label}, the newest first`), element("thead", {}, this.head), this.body);
    const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table of: ${label}` }, table);
    this.details = element("details", {}, element("summary", {}, "As a table"), scroll);
    this.details.addEventListener("toggle", () => this.fill());
    figure.append(this.svg, this.legend, this.details);
  }

  draw(times, series) {
    this.times = times;
    this.series = series;
    const values = series.flatMap((one) => one.values.filter((value) => value !== null));
    const top = ceiling(Math.max(0, ...values));
    const across = (index) => LEFT + (times.length < 2 ? 0 : (index / (times.length - 1)) * (WIDTH - LEFT - RIGHT));
    const down = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    const shapes = [];
    for (const part of [0, 0.5, 1]) {
      shapes.push(shape("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: down(part * top), y2: down(part * top) }));
      shapes.push(shape("text", { x: LEFT - 4, y: down(part * top) + 4, "text-anchor": "end" }, written(part * top)));
    }
    const last = times.length - 1;
    for (const [index, anchor] of [[0, "start"], [Math.floor(last / 2), "middle"], [last, "end"]]) {
      if (times.length > 2) shapes.push(shape("text", { x: across(index), y: HEIGHT - 5, "text-anchor": anchor }, time(times[index])));
    }
    for (const one of series) {
      let path = "", pen = "M";
      one.values.forEach((value, index) => {
        if (value === null) { pen = "M"; return; }
        path += `${pen}${across(index).toFixed(1)} ${down(value).toFixed(1)}`;
        // A value between two gaps would not be seen.
        if (pen === "M") path += "h1";
        pen = "L";
      });
      shapes.push(shape("path", { class: `line s-${one.name}`, d: path || "M0 0" }));
    }
    this.svg.replaceChildren(...shapes);
    const now = series.map((one) => `${one.name} ${written(one.values.findLast((value) => value !== null) ?? null)}`);
    this.svg.setAttribute("aria-label", `${this.label}. Last: ${now.join(", ")}. The table below has all of it.`);
    this.legend.replaceChildren(...series.map((one, index) => {
      const key = shape("svg", { viewBox: "0 0 26 8", "aria-hidden": "true" });
      key.append(shape("path", { class: `line s-${one.name}`, d: "M0 4h26" }));
      return element("li", {}, key, ` ${now[index]}`);
    }));
    this.fill();
  }

  fill() {
    if (!this.details.open || !this.series) return;
    this.head.replaceChildren(element("th", { scope: "col" }, "Time"), ...this.series.map((one) => element("th", { scope: "col" }, one.name)));
    const rows = this.times.map((at, index) => [at, this.series.map((one) => one.values[index])]).filter(([, values]) => values.some((value) => value));
    this.body.replaceChildren(...rows.reverse().map(([at, values]) =>
      element("tr", {}, element("th", { scope: "row" }, time(at)), ...values.map((value) => element("td", { class: "number" }, written(value))))));
  }
}
