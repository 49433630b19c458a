// The transforms as switches, an image, a pair of its views and a strip of more.
// Never more than one message is on its way: what is moved meanwhile waits, and goes when the answer is there.
const states = new WeakMap()
const PATIENCE = 4000 // ms after which an answer is no longer waited for
const shown = (value, unit) => unit === "%" ? `${Math.round(100 * value)} %`
  : unit === "×" ? `${value.toFixed(2)} ×`
  : unit === "turns" ? `${value.toFixed(2)} turn` : unit === "px" ? `${value.toFixed(1)} px` : `${Math.round(value)}°`
export default function ({ data, parentElement, setTriggerValue }) {
  const find = (name) => parentElement.querySelector("." + name)
  const state = states.get(parentElement) || { waiting: null, sent: 0, at: 0 }
  states.set(parentElement, state)
  const busy = () => state.sent > data.turn && performance.now() - state.at < PATIENCE
  state.answered = data.turn
  function send() {
    if (!state.waiting) return
    state.sent = Math.max(state.sent, data.turn) + 1
    state.at = performance.now()
    setTriggerValue("asked", { ...state.waiting, turn: state.sent })
    state.waiting = null
  }
  state.tell = (change) => {
    const told = state.waiting || {}
    state.waiting = { ...told, ...change, views: { ...told.views, ...change.views } }
    if (!busy()) send()
    else {
      clearTimeout(state.later)
      state.later = setTimeout(() => states.get(parentElement).flush(), PATIENCE)
    }
  }
  state.flush = () => { if (!busy()) send() }

  // controls: made once for a set of transforms, so that a rerun takes neither focus nor pointer away
  const kinds = data.rows.map((row) => row.field).join()
  if (state.kinds !== kinds) {
    state.kinds = kinds
    find("rows").replaceChildren(...data.rows.map((row) => makeRow(row, (change) => states.get(parentElement).tell(change))))
  }
  data.rows.forEach((row, i) => {
    const line = find("rows").children[i], [box, , range, words] = line.children
    line.className = "row" + (row.part ? " part" : "") + (row.idle || !row.on ? " idle" : "")
    if (row.field in (state.waiting?.views || {})) return // moved since
    if (row.switch) box.checked = row.on
    range.disabled = row.idle
    if (!range.matches(":active")) range.value = row.value
    if (!range.matches(":active")) words.textContent = shown(row.value, row.unit)
    range.setAttribute("aria-valuetext", shown(row.value, row.unit))
  })
  const seed = find("seed"), reset = find("reset")
  seed.max = data.mostSeed
  if (!seed.matches(":focus") || +seed.value !== data.seed) seed.value = data.seed
  seed.onchange = () => {
    const value = Math.min(data.mostSeed, Math.max(0, Math.round(+seed.value || 0)))
    state.tell({ seed: value })
  }
  find("next").onclick = () => {
    state.tell({ seed: ((state.waiting?.seed ?? data.seed) + 1) % (data.mostSeed + 1) })
  }
  reset.disabled = !data.changed
  reset.onclick = () => state.tell({ reset: true })

  // pictures: one sheet, cut into canvases
  const sheet = new Image()
  sheet.onload = () => {
    if (states.get(parentElement).answered !== data.turn) return // a later one is there
    paint(find, data, sheet, (change) => states.get(parentElement).tell(change))
    find("pair").dataset.turn = data.turn
  }
  sheet.src = data.sheet
  find("told").replaceChildren(...data.told.map((text) => {
    const line = document.createElement("p")
    line.textContent = text
    return line
  }))
  if (!busy()) send()
  return () => clearTimeout(state.later)
}

function makeRow(row, tell) {
  const line = document.createElement("div"), name = document.createElement("label")
  const box = document.createElement(row.switch ? "input" : "span"), range = document.createElement("input")
  const words = document.createElement("span")
  name.className = "name"
  name.textContent = row.label
  words.className = "value"
  range.type = "range"
  Object.assign(range, { min: row.low, max: row.high, step: row.step })
  range.setAttribute("aria-label", `${row.label}: strength`)
  if (row.switch) {
    box.type = "checkbox"
    box.setAttribute("aria-label", row.label)
    name.onclick = () => box.click()
    box.onchange = () => tell({ views: { [row.field]: [box.checked, +range.value] } })
  }
  range.oninput = () => {
    words.textContent = shown(+range.value, row.unit)
    if (row.switch) box.checked = true
    tell({ views: { [row.field]: [true, +range.value] } })
  }
  line.append(box, name, range, words)
  return line
}

function paint(find, data, sheet, tell) {
  const cut = ({ left, top, width, height, label }, grown) => {
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d")
    canvas.width = width * grown
    canvas.height = height * grown
    canvas.setAttribute("role", "img")
    canvas.setAttribute("aria-label", label)
    pen.imageSmoothingEnabled = false
    pen.drawImage(sheet, left, top, width, height, 0, 0, canvas.width, canvas.height)
    return canvas
  }
  find("large").replaceChildren(...data.large.map((tile) => {
    const figure = document.createElement("figure"), words = document.createElement("figcaption")
    words.textContent = tile.label
    figure.append(cut(tile, tile.grown), words)
    return figure
  }))
  const strip = find("strip"), at = [...strip.children].indexOf(strip.getRootNode().activeElement)
  strip.replaceChildren(...data.pairs.map((pair) => {
    const button = document.createElement("button"), words = document.createElement("span")
    button.type = "button"
    button.setAttribute("aria-pressed", String(pair.seed === data.seed))
    button.setAttribute("aria-label", `pair of seed ${pair.seed}`)
    words.textContent = `seed ${pair.seed}`
    button.append(...pair.tiles.map((tile) => cut(tile, tile.grown)), words)
    button.onclick = () => tell({ seed: pair.seed })
    return button
  }))
  if (at >= 0) strip.children[at]?.focus()
}
