const watchers = new WeakMap(), before = new WeakMap()
const nice = (low, high) => {
  const rough = (high - low) / 3.5 || 1, ten = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((m) => m * ten).find((s) => s >= rough) || rough
  const ticks = []
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) ticks.push(v)
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9))
  return ticks.map((v) => [v, (Math.abs(v) < step * 1e-6 ? 0 : v).toFixed(digits).replace("-", "\u2212")])
}
export default function ({ data, parentElement }) {
  const svg = parentElement.querySelector("svg")
  const title = parentElement.querySelector(".title")
  title.textContent = data.title
  svg.setAttribute("aria-label", data.alt)
  const put = (parent, name, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name)
    for (const key in attributes) node.setAttribute(key, attributes[key])
    if (text !== undefined) node.textContent = text
    parent.append(node)
    return node
  }
  function draw() {
    const width = svg.clientWidth, height = data.height - title.offsetHeight // a long title takes two lines
    const { kind } = data, plain = kind !== "curves", asked = width + "x" + height + JSON.stringify(data)
    if (svg.style.height !== height + "px") svg.style.height = height + "px"
    if (!width || before.get(parentElement) === asked) return
    before.set(parentElement, asked)
    const left = { curves: 58, map: 2, matrix: 28, picture: data.rows.some((r) => r[1]) ? 56 : 0 }[kind]
    const right = width - (plain ? 2 : data.right), top = 4, bottom = height - ({ curves: 48, matrix: 28 }[kind] || 0)
    const fresh = document.createDocumentFragment()
    const [x0, x1] = data.x
    let px = (v) => left + (v - x0) / (x1 - x0 || 1) * (right - left)
    const panels = data.panels.map((p) => {
      const high = bottom - p.domain[1] * (bottom - top), low = bottom - p.domain[0] * (bottom - top)
      return { ...p, high, low, py: (v) => low - (v - p.y[0]) / (p.y[1] - p.y[0] || 1) * (low - high) }
    })
    if (plain) {  // one unit is as long across as up
      const p = panels[0], unit = Math.min((right - left) / (x1 - x0), (bottom - top) / (p.y[1] - p.y[0]))
      if (kind === "map") {
        px = (v) => (left + right) / 2 + (v - (x0 + x1) / 2) * unit
        p.py = (v) => (top + bottom) / 2 - (v - (p.y[0] + p.y[1]) / 2) * unit
      } else {  // rows are counted from the top
        px = (v) => left + (v - x0) * unit
        p.py = (v) => top + (v - p.y[0]) * unit
      }
    }
    const middle = (x, y, text, turn) => put(fresh, "text", { transform: `translate(${x} ${y}) rotate(${turn})`,
      "text-anchor": "middle", "font-size": 14 }, text)
    if (kind === "picture") {
      put(fresh, "image", { x: left, y: top, width: px(x1) - left, height: panels[0].py(panels[0].y[1]) - top,
        href: data.image, preserveAspectRatio: "none", style: "image-rendering: pixelated" })
      for (const [y, text] of data.rows) put(fresh, "text", { x: 0, y: panels[0].py(y) + 5, "font-size": 14 }, text)
    }
    if (kind === "matrix") {
      const size = px(1) - px(0)
      for (const [i, row] of data.cells.entries())
        for (const [j, colour] of row.entries())
          put(fresh, "rect", { x: px(j - 0.5) + 0.5, y: panels[0].py(i - 0.5) + 0.5, width: size - 1, height: size - 1,
            fill: colour, ...(i === j ? { stroke: "#111", "stroke-width": 2 } : {}) })
      middle((px(x0) + px(x1)) / 2, panels[0].py(panels[0].y[1]) + 20, data.x_title, 0)
      middle(16, (panels[0].py(panels[0].y[0]) + panels[0].py(panels[0].y[1])) / 2, panels[0].title, -90)
    }
    for (const p of plain ? [] : panels) {
      for (const [v, text] of nice(...p.y)) {
        put(fresh, "line", { x1: left, x2: right, y1: p.py(v), y2: p.py(v), stroke: data.grid })
        put(fresh, "text", { x: left - 8, y: p.py(v) + 5, "text-anchor": "end", "font-size": 14 }, text)
      }
      middle(14, (p.high + p.low) / 2, p.title, -90)
    }
    if (!plain) {
      for (const [v, text] of nice(x0, x1))
        put(fresh, "text", { x: px(v), y: bottom + 20, "text-anchor": "middle", "font-size": 14 }, text)
      put(fresh, "text", { x: (left + right) / 2, y: bottom + 42, "text-anchor": "middle", "font-size": 15 },
        data.x_title)
    }
    for (const t of data.traces) {
      const p = panels[t.panel], points = t.x.map((x, i) => [x, t.y[i]]).filter(([, y]) => y !== null)
      if (t.line && points.length > 1)
        put(fresh, "polyline", { points: points.map(([x, y]) => `${px(x)},${p.py(y)}`).join(" "), fill: "none",
          stroke: t.colour, "stroke-width": 2.5, "stroke-dasharray": { dot: "2 5", dash: "8 6" }[t.dash] || "none" })
      if (t.points || points.length === 1)
        for (const [x, y] of points)
          put(fresh, "circle", { cx: px(x), cy: p.py(y), r: t.size / 2, fill: t.colour, opacity: t.opacity })
    }
    for (const n of data.notes) {
      const y = panels[n.panel].py(n.y), x = n.edge ? right + 6 : px(n.x)
      if (n.boxed) {
        const w = 9 * n.text.length + 8
        put(fresh, "rect", { x: x - w / 2, y: y - 11, width: w, height: 22, fill: "rgba(255, 255, 255, 0.92)",
          stroke: n.colour, "stroke-width": 2 })
      }
      put(fresh, "text", { x, y: y + 5, "text-anchor": n.edge ? "start" : "middle", "font-size": 14,
        "font-weight": 700, fill: n.boxed ? "#111" : n.colour }, n.text)
    }
    svg.replaceChildren(fresh)
  }
  watchers.get(parentElement)?.disconnect()
  const watcher = new ResizeObserver(draw)
  watchers.set(parentElement, watcher)
  watcher.observe(svg)
  draw()
  return () => watcher.disconnect()
}
