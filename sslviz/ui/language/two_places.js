const SPACE = { left: 62, right: 14, top: 12, bottom: 46 }

function node(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.textContent = text
  return made
}

// Two distributions over the same words, both axes logarithmic; on the dashed line a word is as likely in both places.
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".places"), svg = root.querySelector("svg")
  for (const [key, colour] of Object.entries(data.colours)) root.style.setProperty(`--${key}`, colour)
  svg.setAttribute("aria-label", data.label)
  let chosen = data.chosen, places = [], drawn = []

  function draw() {
    const width = Math.max(240, svg.clientWidth), height = svg.clientHeight || 400
    const low = data.decades[0], high = data.decades.at(-1)
    const along = (log) => SPACE.left + (log - low) / (high - low) * (width - SPACE.left - SPACE.right)
    const up = (log) => height - SPACE.bottom - (log - low) / (high - low) * (height - SPACE.top - SPACE.bottom)
    const axes = node("g", { class: "axis" })
    data.decades.forEach((decade, i) => {
      axes.append(node("line", { class: "grid", x1: along(decade), x2: along(decade), y1: up(low), y2: up(high) }),
        node("line", { class: "grid", x1: along(low), x2: along(high), y1: up(decade), y2: up(decade) }),
        node("text", { x: along(decade), y: up(low) + 18, "text-anchor": i === data.decades.length - 1 ? "end" : "middle" },
          (data.decades.length - 1 - i) % Math.ceil(60 / (along(low + 1) - along(low))) ? "" : data.ticks[i]),
        node("text", { x: SPACE.left - 6, y: up(decade) + 4, "text-anchor": "end" }, data.ticks[i]))
    })
    axes.append(node("line", { class: "same", x1: along(low), y1: up(low), x2: along(high), y2: up(high) }),
      node("text", { x: (along(low) + along(high)) / 2, y: height - 6, "text-anchor": "middle" }, data.axes[0]),
      node("text", { x: 0, y: 0, "text-anchor": "middle", transform: `translate(13 ${(up(low) + up(high)) / 2}) rotate(-90)` }, data.axes[1]))
    places = data.points.map((point) => [along(point.x), up(point.y)])
    drawn = places.map(([x, y]) => node("circle", { cx: x, cy: y, r: 5 }))
    const taken = [], labels = node("g", { "aria-hidden": "true" })
    data.points.forEach((point, i) => {
      const [x, y] = places[i], end = x > width - 90, size = 7.5 * point.token.length
      const box = [end ? x - 8 - size : x + 8, y - 8, end ? x - 8 : x + 8 + size, y + 8]
      if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) return
      taken.push(box, [x - 5, y - 5, x + 5, y + 5])
      labels.append(node("text", { x: end ? x - 8 : x + 8, y: y + 4, "text-anchor": end ? "end" : "start" }, point.token))
    })
    svg.replaceChildren(axes, ...drawn, labels)
    show()
  }

  function show() {
    for (const [i, circle] of drawn.entries()) {
      circle.setAttribute("r", i === chosen ? 8 : 5)
      circle.classList.toggle("chosen", i === chosen)
    }
    svg.querySelector("text.chosen")?.remove()
    const point = data.points[chosen]
    if (!point) return
    const [x, y] = places[chosen], end = x > svg.clientWidth - 110
    svg.append(drawn[chosen], node("text", { class: "chosen", x: end ? x - 12 : x + 12, y: y + 5, "text-anchor": end ? "end" : "start" }, point.token))
    root.querySelector(".named").textContent = point.said
  }

  const near = (event) => {
    const box = svg.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top
    const far = places.map(([a, b]) => (a - x) ** 2 + (b - y) ** 2), best = far.indexOf(Math.min(...far))
    if (best >= 0 && far[best] < 40 ** 2 && best !== chosen) { chosen = best; show() }
  }
  svg.onpointermove = near
  svg.onpointerdown = near
  svg.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
    const to = event.key === "Home" ? 0 : event.key === "End" ? data.points.length - 1 : step ? chosen + step : null
    if (to === null) return
    chosen = Math.min(data.points.length - 1, Math.max(0, to))
    show()
    event.preventDefault()
  }
  if (root.watcher) root.watcher.disconnect()
  root.watcher = new ResizeObserver(draw)
  root.watcher.observe(svg)
}
