import { candidates, largest, partner } from "./info_nce.js"
import { cells, cut, floats, panel, signed } from "./drawing.js"

const views = new WeakMap()
const PARTS = [["div", "title"], ["canvas", "matrix"], ["div", "rank"], ["div", "nearest"]]
const SHOWN = 5, PICTURE = 48, PATIENCE = 300 // candidates; CSS pixels; ms until a choice is told

export default function ({ data, parentElement, setStateValue }) {
  const find = (name) => parentElement.querySelector("." + name)
  const before = views.get(parentElement)
  before?.watcher.disconnect()
  const view = before?.token === data.token ? before : begin(data)
  Object.assign(view, { data, find })
  views.set(parentElement, view)
  view.send = (patience) => {
    clearTimeout(view.timer)
    view.timer = setTimeout(() => setStateValue("row", view.row), patience)
  }
  if (!find("spaces").childElementCount) {
    find("spaces").replaceChildren(...data.spaces.map(() => panel("space", PARTS, "matrix")))
  }
  view.panels = Array.from(find("spaces").children)
  for (const [i, place] of view.panels.entries()) listen(view, place.querySelector(".matrix"), data.spaces[i])
  view.watcher = new ResizeObserver(() => paint(view))
  view.watcher.observe(view.panels[0].querySelector(".matrix"))
  paint(view)
  return () => view.watcher.disconnect()
}

function begin(data) {
  const { n, token, row } = data, size = 2 * n
  const spaces = data.spaces.map((space) => {
    const batch = { n, k: 0, views: floats(space.floats) }, picture = cells(batch.views, size, size, true)
    const rows = Array.from({ length: size }, (_, i) => candidates(batch, "nt_xent", i))
    const ranks = rows.map(({ values }) => 1 + values.reduce((count, value) => count + (value > values[0]), 0))
    return { rows, ranks, picture }
  })
  const worst = Math.max(...spaces[0].ranks) // at first the row whose positive h finds last
  return { token, spaces, row: row < 0 ? spaces[0].ranks.indexOf(worst) : row }
}

function listen(view, matrix, space) {
  const size = 2 * view.data.n
  matrix.setAttribute("aria-label", `Cosines of all views in ${space.name}; up and down choose a row, left and right `
    + "its other view")
  matrix.onclick = (event) => {
    const box = matrix.getBoundingClientRect()
    choose(view, Math.min(size - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * size))), 0)
  }
  matrix.onkeydown = (event) => {
    const { row } = view, other = partner(row, view.data.n)
    const next = { ArrowUp: row - 1, ArrowDown: row + 1, ArrowLeft: other, ArrowRight: other, Home: 0, End: size - 1 }
    if (!(event.key in next)) return
    event.preventDefault()
    choose(view, (next[event.key] + size) % size, PATIENCE)
  }
}

function choose(view, row, patience) {
  view.row = row
  paint(view)
  view.send(patience)
}

function paint(view) {
  const { data, row } = view
  for (const [i, place] of view.panels.entries()) {
    const { rows, ranks, picture } = view.spaces[i], { columns, values } = rows[row]
    place.querySelector(".title").textContent = `${data.spaces[i].name}: ${data.spaces[i].dim} numbers`
    paintMatrix(view, place.querySelector(".matrix"), picture)
    place.querySelector(".rank").textContent =
      `Its other view: cosine ${signed(values[0], 2)}, number ${ranks[row]} of ${values.length}. The nearest:`
    const order = largest(values, SHOWN)
    place.querySelector(".nearest").replaceChildren(
      ...order.map((at) => near(view, columns[at], values[at], at === 0)))
  }
  say(view)
}

function near(view, column, value, positive) {
  const figure = document.createElement("figure"), picture = document.createElement("span")
  const words = document.createElement("figcaption"), { n, sheet, names, labels } = view.data
  picture.className = "picture"
  cut(picture, sheet, column, PICTURE)
  if (positive) figure.className = "positive"
  const name = names.length ? names[labels[column % n]] : ""
  words.append(...[signed(value, 2), positive ? "pair" : name].map((text) => {
    const line = document.createElement("span")
    line.textContent = text
    return line
  }))
  figure.append(picture, words)
  return figure
}

function paintMatrix(view, canvas, picture) {
  const ratio = window.devicePixelRatio || 1, side = Math.max(1, Math.round(canvas.clientWidth * ratio))
  if (canvas.width !== side) canvas.width = canvas.height = side
  const pen = canvas.getContext("2d"), { n } = view.data, cell = side / (2 * n)
  const line = Math.max(1, Math.min(1.5 * ratio, cell / 5))
  pen.imageSmoothingEnabled = false
  pen.drawImage(picture, 0, 0, side, side)
  pen.strokeStyle = "#111111"
  pen.lineWidth = line
  for (let i = 0; i < 2 * n; i++) {
    pen.strokeRect(partner(i, n) * cell + line / 2, i * cell + line / 2, cell - line, cell - line)
  }
  pen.strokeStyle = "#e76300"
  pen.lineWidth = 2.5 * ratio
  pen.strokeRect(ratio, view.row * cell, side - 2 * ratio, cell)
}

/** What to see, from the whole batch. */
function say(view) {
  const { n, spaces, names, labels, ids } = view.data, size = 2 * n
  const told = view.spaces.map(({ rows, ranks }, i) => {
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
    const pairs = mean(rows.map(({ values }) => values[0]))
    const others = mean(rows.map(({ values }) => mean(values.subarray(1))))
    return { name: spaces[i].name, first: ranks.filter((rank) => rank === 1).length, pairs, others }
  })
  const [h, z] = told, id = ids[view.row % n]
  const label = names.length ? ` (“${names[labels[view.row % n]]}”)` : ""
  view.find("said").textContent = `Row: view ${view.row < n ? 1 : 2} of test image ${id}${label}. Over the batch, the `
    + `other view of an image is the nearest of all ${size - 1} for ${h.first} of ${size} views in ${h.name} and for `
    + `${z.first} in ${z.name}. Views of one image have a mean cosine of ${signed(h.pairs, 2)} in ${h.name} and `
    + `${signed(z.pairs, 2)} in ${z.name}, those of two images ${signed(h.others, 2)} and ${signed(z.others, 2)}.`
}
