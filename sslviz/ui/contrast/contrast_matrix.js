import { allCandidates, gradientShares, largest, meanLoss, partner, probabilities, readBatch, rowLoss
} from "./info_nce.js"
import { cells, cut, floats, measure, percent, signed } from "./drawing.js"

const views = new WeakMap() // what is on show, by the place in the page: it outlives a run of the script
const LOW = 0.02, HIGH = 2, HARDEST = 6, BARS = 48, PICTURE = 56, PATIENCE = 300 // ms until a choice is told
const HINT = "Click a row, or walk with the arrow keys"
const STEPS = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01] // heights of the axis of the bars

export default function ({ data, parentElement, setStateValue }) {
  const find = (name) => parentElement.querySelector("." + name)
  const before = views.get(parentElement)
  before?.watcher.disconnect()
  const view = before?.token === data.token ? before : begin(data)
  Object.assign(view, { data, find, parentElement })
  views.set(parentElement, view)
  view.send = (patience) => {
    clearTimeout(view.timer)
    view.timer = setTimeout(() => {
      setStateValue("chosen", [view.row, view.temperature, data.objectives.findIndex((o) => o.key === view.objective),
        Number(view.same)])
    }, patience)
  }
  listen(view)
  view.watcher = new ResizeObserver(() => { paintMatrix(view); paintRow(view) })
  view.watcher.observe(find("matrix"))
  paintAll(view)
  return () => view.watcher.disconnect()
}

/** What is on show of a new batch. */
function begin(data) {
  const batch = readBatch(floats(data.floats), data.n, data.k)
  const { token, temperature, objective, same } = data
  const rows = Object.fromEntries(data.objectives.map(({ key }) => [key, allCandidates(batch, key)]))
  const costs = rows[objective].map(({ values }) => rowLoss(values, temperature))
  const row = data.row < 0 ? costs.indexOf(Math.max(...costs)) : data.row // at first the row that costs most
  const matrix = cells(batch.views, costs.length, costs.length, true)
  return { token, row, temperature, objective, same, batch, rows, matrix }
}

// what is chosen ------------------------------------------------------------------------------------------------------

function listen(view) {
  const { find, data } = view, matrix = find("matrix"), slider = find("temperature"), size = 2 * data.n
  matrix.setAttribute("aria-label", "Cosines of all views of the batch; up and down choose a row, left and right its "
    + "other view")
  const place = (event) => {
    const box = matrix.getBoundingClientRect()
    return [event.clientY - box.top, event.clientX - box.left]
      .map((at) => Math.min(size - 1, Math.max(0, Math.floor(at / box.width * size))))
  }
  matrix.onpointermove = (event) => sayCell(view, ...place(event))
  matrix.onpointerleave = () => { find("cell").textContent = HINT }
  find("cell").textContent ||= HINT
  matrix.onclick = (event) => choose(view, place(event)[0], 0)
  matrix.onkeydown = (event) => {
    const { row } = view, other = partner(row, data.n)
    const next = { ArrowUp: row - 1, ArrowDown: row + 1, ArrowLeft: other, ArrowRight: other, Home: 0, End: size - 1 }
    if (!(event.key in next)) return
    event.preventDefault()
    choose(view, (next[event.key] + size) % size, PATIENCE)
  }
  slider.min = Math.log(LOW)
  slider.max = Math.log(HIGH)
  slider.step = 0.01
  slider.value = Math.log(view.temperature)
  slider.oninput = (event) => {
    view.temperature = Math.min(HIGH, Math.max(LOW, Number(Math.exp(slider.value).toPrecision(3))))
    paintRow(view)
    measure("sslviz temperature", event)
  }
  slider.onchange = () => view.send(PATIENCE)
  find("same").checked = view.same
  find("same").onchange = (event) => { view.same = event.target.checked; paintAll(view); view.send(0) }
  find("same-label").hidden = !data.names.length
  const radios = find("objectives")
  while (radios.childElementCount <= data.objectives.length) radios.append(radio()) // they stay, as does the focus
  for (const [i, objective] of data.objectives.entries()) {
    const label = radios.children[i + 1], button = label.querySelector("input")
    button.checked = objective.key === view.objective
    button.disabled = !objective.negatives
    button.onchange = () => { view.objective = objective.key; paintAll(view); view.send(PATIENCE) }
    label.querySelector("span").textContent = objective.title
    label.querySelector("small").textContent = `1 + ${objective.negatives.toLocaleString("en")}`
  }
}

function radio() {
  const label = document.createElement("label"), button = document.createElement("input")
  Object.assign(button, { type: "radio", name: "objective" })
  label.append(button, document.createElement("span"), document.createElement("small"))
  return label
}

function choose(view, row, patience) {
  view.row = row
  paintAll(view)
  view.send(patience)
}

// words ---------------------------------------------------------------------------------------------------------------

/** A column of (views | queue) in words: which view of which test image, and its class. */
function nameOf(view, column) {
  const { n, ids, labels, names, queue } = view.data
  const [id, label] = column < 2 * n ? [ids[column % n], labels[column % n]]
    : [queue.ids[column - 2 * n], queue.labels[column - 2 * n]]
  if (id === undefined) return `key ${column - 2 * n} of the queue`
  const side = column < n ? "view 1 of " : column < 2 * n ? "view 2 of " : ""
  return `${side}test image ${id}${names.length ? ` (“${names[label]}”)` : ""}`
}

function sameClass(view, a, b) {
  const { n, labels, names, queue } = view.data
  const label = (column) => (column < 2 * n ? labels[column % n] : queue.labels[column - 2 * n])
  return names.length > 0 && label(a) !== undefined && label(a) === label(b)
}

function sayCell(view, row, column) {
  const value = view.batch.views[row * 2 * view.data.n + column]
  view.find("cell").textContent = row === column ? `${nameOf(view, row)}: with itself`
    : `${nameOf(view, row)}, ${nameOf(view, column)}: ${signed(value, 2)}`
}

// pictures ------------------------------------------------------------------------------------------------------------

function paintAll(view) {
  paintMatrix(view)
  paintRow(view)
}

/** Fit a canvas to its place in the page; its pen, width and height in real pixels, and their number a CSS pixel. */
function penOf(canvas) {
  const ratio = window.devicePixelRatio || 1
  const w = Math.max(1, Math.round(canvas.clientWidth * ratio)), h = Math.max(1, Math.round(canvas.clientHeight * ratio))
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h })
  const pen = canvas.getContext("2d")
  pen.clearRect(0, 0, w, h)
  return { pen, w, h, ratio }
}

function paintMatrix(view) {
  const { data, find, row } = view, size = 2 * data.n
  const { pen, w, ratio } = penOf(find("matrix")), cell = w / size
  pen.imageSmoothingEnabled = false
  pen.drawImage(view.matrix, 0, 0, w, w)
  dim(view, pen, cell)
  const line = Math.max(1, Math.min(1.5 * ratio, cell / 5))
  pen.strokeStyle = "#111111"
  pen.lineWidth = line
  for (let i = 0; i < size; i++) {
    pen.strokeRect(partner(i, data.n) * cell + line / 2, i * cell + line / 2, cell - line, cell - line)
  }
  if (view.same) outlineClasses(view, pen, cell, line)
  pen.strokeStyle = view.data.dark ? "#000000" : "#ffffff"
  pen.lineWidth = 4 * ratio
  pen.strokeRect(0, row * cell, w, cell)
  pen.strokeStyle = "#e76300"
  pen.lineWidth = 2.5 * ratio
  pen.strokeRect(ratio, row * cell, w - 2 * ratio, cell)
  paintKeys(view)
}

/** Fade what is no candidate of any row under the objective. */
function dim(view, pen, cell) {
  const { n } = view.data
  if (view.objective === "nt_xent") return
  pen.fillStyle = view.data.dark ? "rgba(17, 22, 29, 0.8)" : "rgba(255, 255, 255, 0.8)"
  const fade = (left, top, right, bottom) => { // edges in cells; on whole pixels, so that none is faded twice
    const [x, y, x2, y2] = [left, top, right, bottom].map((edge) => Math.round(edge * cell))
    pen.fillRect(x, y, x2 - x, y2 - y)
  }
  fade(0, 0, n, n)
  fade(n, n, 2 * n, 2 * n)
  if (view.objective !== "queue") return
  for (let i = 0; i < 2 * n; i++) {
    const start = i < n ? n : 0, own = partner(i, n)
    fade(start, i, own, i + 1)
    fade(own + 1, i, start + n, i + 1)
  }
}

/** A dashed line round the cells of two images of one class. */
function outlineClasses(view, pen, cell, line) {
  const { n, labels } = view.data
  const blocks = []
  for (let i = 0; i < n; i++) {
    if (i && labels[i] === labels[i - 1]) blocks.at(-1)[1] = i + 1
    else blocks.push([i, i + 1])
  }
  pen.setLineDash([3 * line, 2 * line])
  for (const [from, to] of blocks) {
    if (to - from < 2) continue
    for (const [top, left] of [[0, 0], [0, n], [n, 0], [n, n]]) {
      pen.strokeRect((left + from) * cell, (top + from) * cell, (to - from) * cell, (to - from) * cell)
    }
  }
  pen.setLineDash([])
}

/** The keys of the queue as a strip under the matrix, nearest first. */
function paintKeys(view) {
  const { batch, row } = view, canvas = view.find("keys")
  canvas.style.visibility = view.objective === "queue" ? "visible" : "hidden"
  if (view.objective !== "queue") return
  const { pen, w, h } = penOf(canvas)
  const values = batch.queue.slice(row * batch.k, (row + 1) * batch.k).sort().reverse()
  pen.imageSmoothingEnabled = false
  pen.drawImage(cells(values, 1, batch.k), 0, 0, w, h)
}

/** All that the temperature changes: the loss, and the chosen row. */
function paintRow(view) {
  const { data, find, row, temperature } = view, rows = view.rows[view.objective], { columns, values } = rows[row]
  const p = probabilities(values, temperature), shares = gradientShares(values, temperature)
  const loss = meanLoss(rows, temperature), guess = Math.log(values.length)
  const order = largest(values.subarray(1), HARDEST).map((i) => i + 1)
  const alike = order.filter((i) => sameClass(view, row, columns[i]))
  find("value").textContent = temperature.toPrecision(3)
  find("temperature").setAttribute("aria-valuetext", temperature.toPrecision(3))
  find("number").textContent = `${loss.toFixed(4)} nats a view`
  find("number").dataset.loss = loss
  find("guess").textContent = `guessing among ${values.length.toLocaleString("en")}: ${guess.toFixed(2)}`
  cut(find("anchor"), data.sheet, row, PICTURE)
  cut(find("positive"), data.sheet, columns[0], PICTURE)
  find("anchor-words").textContent = nameOf(view, row)
  find("positive-words").textContent = `its other view: ${percent(p[0])}`
  paintBars(view, p)
  find("hardest").replaceChildren(...order.map((i) => negative(view, columns[i], values[i], shares[i - 1])))
  say(view, { loss, guess, p: p[0], order, alike, share: alike.reduce((sum, i) => sum + shares[i - 1], 0) })
}

function negative(view, column, value, share) {
  const figure = document.createElement("figure"), picture = document.createElement("span")
  const words = document.createElement("figcaption"), bold = document.createElement("span")
  const { n, queue, labels, names, sheet } = view.data, key = column - 2 * n
  picture.className = "picture"
  if (key < 0) cut(picture, sheet, column, PICTURE)
  else if (queue.tiles[key] !== undefined) cut(picture, queue.sheet, queue.tiles[key], PICTURE)
  else Object.assign(picture, { className: "picture nothing", textContent: "key" })
  const label = key < 0 ? labels[column % n] : queue.labels[key]
  const cosine = document.createElement("span")
  cosine.className = "cosine"
  cosine.textContent = `cos ${signed(value, 2)}`
  bold.className = "share"
  bold.textContent = percent(share)
  words.append(bold, `${names.length && label !== undefined ? `“${names[label]}” ` : ""}`, cosine)
  if (view.same && sameClass(view, view.row, column)) figure.className = "same-class"
  figure.title = nameOf(view, column)
  figure.append(picture, words)
  return figure
}

/** The softmax of the row, most likely first; the positive is filled, negatives are outlined. */
function paintBars(view, p) {
  const canvas = view.find("bars"), { pen, w, h, ratio } = penOf(canvas), order = largest(p, BARS)
  const rank = order.indexOf(0) + 1
  const top = STEPS.findLast((step) => step >= p[order[0]]) ?? 1, ink = getComputedStyle(canvas).color
  const left = 44 * ratio, bottom = h - 2 * ratio, high = bottom - 10 * ratio
  const step = (w - left) / Math.max(order.length, 16)
  pen.font = `${13 * ratio}px ${getComputedStyle(canvas).fontFamily}`
  pen.fillStyle = ink
  pen.textAlign = "right"
  pen.textBaseline = "middle"
  pen.fillText(`${Math.round(100 * top)} %`, left - 6 * ratio, bottom - high)
  pen.fillText("0 %", left - 6 * ratio, bottom - 6 * ratio)
  pen.globalAlpha = 0.35
  pen.fillRect(left, bottom - high, w - left, ratio)
  pen.fillRect(left, bottom, w - left, ratio)
  pen.globalAlpha = 1
  order.forEach((i, place) => {
    const tall = Math.max(ratio, p[i] / top * high), wide = Math.max(2 * ratio, step - 2 * ratio)
    const box = [left + place * step + ratio, bottom - tall, wide, tall]
    pen.fillStyle = i ? "#3f90da" : "#e76300"
    pen.fillRect(...box)
    if (i) return
    pen.strokeStyle = ink
    pen.lineWidth = 2 * ratio
    pen.strokeRect(...box)
  })
  const named = rank ? `the positive (orange, framed) is number ${rank}` : `the positive is not among them`
  const count = order.length < p.length ? `The ${order.length} likeliest of ${p.length.toLocaleString("en")} candidates`
    : `All ${p.length} candidates, likeliest first`
  view.find("bars-words").textContent = `${count}; ${named}.`
  canvas.setAttribute("aria-label", `Probabilities of the candidates. ${count}; ${named}, at ${percent(p[0])}`)
}

/** What to see, from the numbers on show. */
function say(view, { loss, guess, p, order, alike, share }) {
  const title = view.data.objectives.find(({ key }) => key === view.objective).name
  const part = loss < guess ? `${percent(1 - loss / guess)} less than guessing` : "no less than guessing"
  let text = `At temperature ${view.temperature.toPrecision(3)}, ${title} costs ${loss.toFixed(2)} nats a view, ${part}. `
  text += `${nameOf(view, view.row)} finds its other view with a probability of ${percent(p)}. `
  text = text.replace(/\. view/, ". View").replace(/\. test/, ". Test")
  if (view.data.names.length && order.length) {
    text += alike.length ? `Of its ${order.length} hardest negatives ${alike.length} `
      + `${alike.length === 1 ? "shows" : "show"} the same class, and with ${percent(share)} of the push the loss drives `
      + "what is alike apart." : `None of its ${order.length} hardest negatives is of its class.`
  }
  view.find("said").textContent = text
}
