// A transform over its range: the picture at one strength, the cosine of h of each encoder, and what its probe answers.
// Everything moves in the browser; the strength is told when it is let go.
const watchers = new WeakMap(), states = new WeakMap()
const percent = (p) => `${Math.round(100 * p)} %`
const number = (v) => v.toFixed(2).replace("-", "\u2212")
export default function ({ data, parentElement, setTriggerValue }) {
  const find = (name) => parentElement.querySelector("." + name)
  const picture = find("picture"), range = find("range"), svg = find("curves"), scaled = find("scaled")
  const before = states.get(parentElement), count = data.labels.length
  const state = { at: before?.of === data.of && range.matches(":active") ? before.at : data.chosen, of: data.of }
  states.set(parentElement, state)
  const sheet = new Image()
  find("title").textContent = data.title
  range.max = count - 1
  range.setAttribute("aria-label", `${data.title}: strength`)
  scaled.checked = data.scaled
  picture.width = data.tile.width * data.tile.grown
  picture.height = data.tile.height * data.tile.grown
  svg.setAttribute("aria-label", data.alt)

  const tell = () => setTriggerValue("chosen", { at: state.at, scaled: scaled.checked })
  const value = (curve, i) => {
    const v = curve.cosine[i]
    return v === null || !scaled.checked || curve.floor === null ? v : (v - curve.floor) / (1 - curve.floor)
  }
  function choose(at) {
    state.at = Math.min(count - 1, Math.max(0, at))
    show()
  }
  function show() {
    const { at } = state
    range.value = at
    range.setAttribute("aria-valuetext", data.labels[at])
    find("strength").textContent = data.labels[at]
    const pen = picture.getContext("2d")
    pen.imageSmoothingEnabled = false
    pen.drawImage(sheet, at * data.tile.width, 0, data.tile.width, data.tile.height, 0, 0, picture.width, picture.height)
    picture.setAttribute("aria-label", `The image, ${data.title.toLowerCase()} ${data.labels[at]}`)
    find("answers").replaceChildren(...data.curves.map((curve) => {
      const line = document.createElement("li"), mark = document.createElement("i")
      const name = document.createElement("span"), said = document.createElement("span")
      mark.style.borderColor = curve.colour
      mark.style.borderTopStyle = curve.dash
      name.textContent = `${curve.name}, ${curve.cosine[at] === null ? "no h" : number(value(curve, at))}`
      if (curve.answer) {
        said.textContent = `${data.classes[curve.answer[at]]} (${percent(curve.p[at])})`
        said.className = curve.answer[at] === curve.answer[data.start] ? "same" : "other"
      }
      line.append(mark, name, said)
      return line
    }))
    svg.querySelector(".cursor")?.setAttribute("transform", `translate(${state.x?.(at) ?? 0})`)
  }
  const put = (parent, name, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name)
    for (const key in attributes) node.setAttribute(key, attributes[key])
    if (text !== undefined) node.textContent = text
    parent.append(node)
    return node
  }
  function draw() {
    const width = svg.clientWidth
    if (!width) return
    const small = width < 560, left = 44, right = width - (small ? 92 : 132), font = small ? 12 : 14
    const top = 30, bottom = 284, row = 26, first = bottom + 62, answers = data.curves.filter((c) => c.answer)
    const height = (answers.length ? first + row * answers.length : bottom + 44) + 6
    svg.style.height = height + "px"
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`)
    svg.replaceChildren()
    const ink = { fill: "currentColor", "font-size": font }
    state.x = (i) => left + (right - left) * i / Math.max(1, count - 1)
    const all = data.curves.flatMap((c) => c.cosine.map((_, i) => value(c, i)).filter((v) => v !== null))
    const low = Math.min(0.9, Math.floor(10 * Math.min(...all)) / 10), y = (v) => bottom - (bottom - top) * (v - low) / (1 - low)
    const step = 1 - low > 1 ? 0.5 : 1 - low > 0.5 ? 0.2 : 1 - low > 0.2 ? 0.1 : 0.05
    for (let v = 1; v > low - 1e-9; v -= step) {
      put(svg, "line", { x1: left, x2: right, y1: y(v), y2: y(v), stroke: "rgba(128,138,150,0.25)" })
      put(svg, "text", { ...ink, x: left - 6, y: y(v) + 5, "text-anchor": "end" }, number(Math.abs(v) < 1e-9 ? 0 : v))
    }
    put(svg, "text", { ...ink, x: left, y: top - 14 }, scaled.checked ? "cosine of h, above that of two images" : "cosine of h")
    const every = Math.ceil(count / ((right - left) / (data.labels[0].length > 7 ? 110 : 62)))
    data.labels.forEach((label, i) => {
      if ((i - data.start) % every === 0) put(svg, "text", { ...ink, x: state.x(i), y: bottom + 18, "text-anchor": "middle" }, label)
    })
    put(svg, "text", { ...ink, x: right, y: bottom + 36, "text-anchor": "end" }, data.axis)
    const ends = []
    for (const curve of data.curves) {
      const points = curve.cosine.map((_, i) => [state.x(i), value(curve, i)]).filter(([, v]) => v !== null)
      put(svg, "polyline", { points: points.map(([x, v]) => `${x},${y(v)}`).join(" "), fill: "none", stroke: curve.colour,
        "stroke-width": 3, "stroke-dasharray": curve.dash === "dashed" ? "7 5" : "none", "stroke-linejoin": "round" })
      if (points.length) ends.push({ at: y(points.at(-1)[1]), curve })
    }
    ends.sort((a, b) => a.at - b.at)
    ends.forEach((end, i) => { if (i) end.at = Math.max(end.at, ends[i - 1].at + font + 3) })
    const over = ends.length ? Math.max(0, ends.at(-1).at - bottom) : 0
    for (const end of ends) {
      put(svg, "text", { x: right + 8, y: end.at - over + 5, fill: end.curve.colour, "font-weight": 700, "font-size": font }, end.curve.short)
    }
    answers.forEach((curve, n) => {
      const up = first + row * n, wide = (right - left) / Math.max(1, count - 1)
      curve.answer.forEach((k, i) => {
        const from = Math.max(left, state.x(i) - wide / 2), to = Math.min(right, state.x(i) + wide / 2)
        const cell = put(svg, "rect", { x: from, y: up, width: to - from + 0.5, height: row - 4, fill: data.palette[k % data.palette.length],
          "fill-opacity": 0.12 + 0.5 * curve.p[i] })
        put(cell, "title", {}, `${curve.name}, ${data.labels[i]}: ${data.classes[k]} (${percent(curve.p[i])})`)
      })
      for (let i = 0; i < count;) {
        let end = i
        while (end + 1 < count && curve.answer[end + 1] === curve.answer[i]) end++
        const word = data.classes[curve.answer[i]], from = Math.max(left, state.x(i) - wide / 2), to = Math.min(right, state.x(end) + wide / 2)
        if (to - from > 0.55 * font * word.length + 4) {
          put(svg, "text", { ...ink, x: (from + to) / 2, y: up + row / 2 + 3, "text-anchor": "middle", "font-weight": 600 }, word)
        }
        i = end + 1
      }
      put(svg, "text", { x: right + 8, y: up + row / 2 + 3, fill: curve.colour, "font-weight": 700, "font-size": font }, curve.short)
    })
    if (answers.length) put(svg, "text", { ...ink, x: left, y: first - 6 }, "the probe's answer")
    const cursor = put(svg, "g", { class: "cursor" })
    put(cursor, "line", { x1: 0, x2: 0, y1: top, y2: height - 6, stroke: "currentColor", "stroke-width": 1.5 })
    show()
  }
  range.oninput = () => choose(+range.value)
  range.onchange = tell
  scaled.onchange = () => { draw(); tell() }
  const at = (event) => {
    const box = svg.getBoundingClientRect(), from = state.x(0), to = state.x(count - 1)
    choose(Math.round((event.clientX - box.left - from) / (to - from) * (count - 1)))
  }
  svg.onpointerdown = (event) => { svg.setPointerCapture(event.pointerId); at(event) }
  svg.onpointermove = (event) => { if (svg.hasPointerCapture(event.pointerId)) at(event) }
  svg.onpointerup = tell
  watchers.get(parentElement)?.disconnect()
  const watcher = new ResizeObserver(draw)
  watchers.set(parentElement, watcher)
  sheet.onload = () => { draw(); watcher.observe(svg) }
  sheet.src = data.sheet
  return () => watcher.disconnect()
}
