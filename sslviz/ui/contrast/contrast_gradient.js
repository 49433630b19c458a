import { cosines, forces, gradientShares, probabilities, rowLoss } from "./info_nce.js"
import { measure, panel, percent } from "./drawing.js"

const views = new WeakMap()
const ANCHOR = 90, STEP = 2, FAR = 10, PATIENCE = 300 // degrees; degrees a key, with Shift; ms until a move is told
const NEAR = 26 // CSS pixels within which a point is taken hold of
const LANE = 8, EDGE = 44, LOWER = 26 // CSS pixels: between arrows, round the circle, and that it lies below the middle
const PARTS = [["div", "title"], ["div", "loss"], ["canvas", "circle"], ["div", "weights"]]
const PULL = "#e76300", PUSH = "#3f90da"

export default function ({ data, parentElement, setStateValue }) {
  const find = (name) => parentElement.querySelector("." + name)
  const before = views.get(parentElement)
  before?.watcher.disconnect()
  const view = before ?? { angles: data.angles, chosen: 1 }
  Object.assign(view, { data, find })
  views.set(parentElement, view)
  view.send = (patience) => {
    clearTimeout(view.timer)
    view.timer = setTimeout(() => setStateValue("placed", view.angles.map(Math.round)), patience)
  }
  if (find("panels").childElementCount !== data.temperatures.length) {
    find("panels").replaceChildren(...data.temperatures.map(() => panel("panel", PARTS, "circle")))
  }
  view.panels = Array.from(find("panels").children)
  for (const place of view.panels) listen(view, place.querySelector(".circle"))
  find("again").onclick = () => { view.angles = data.start; view.chosen = 1; paint(view); view.send(0) }
  view.watcher = new ResizeObserver(() => paint(view))
  view.watcher.observe(view.panels[0].querySelector(".circle"))
  paint(view)
  return () => view.watcher.disconnect()
}

// moving --------------------------------------------------------------------------------------------------------------

function listen(view, circle) {
  const where = (event) => {
    const box = circle.getBoundingClientRect(), side = box.width
    return { x: event.clientX - box.left - side / 2, y: side / 2 + LOWER - (event.clientY - box.top), side }
  }
  const hold = (event) => {
    const { x, y, side } = where(event), r = side / 2 - EDGE
    const away = view.angles.map(unitAt).map(([px, py]) => Math.hypot(px * r - x, py * r - y))
    const nearest = away.indexOf(Math.min(...away))
    return away[nearest] <= NEAR ? nearest : -1
  }
  let held = -1
  circle.ontouchstart = (event) => { if (hold(event.touches[0]) >= 0) event.preventDefault() } // else the page scrolls
  circle.onpointerdown = (event) => {
    held = hold(event)
    if (held < 0) return
    view.chosen = held
    circle.setPointerCapture(event.pointerId)
    paint(view)
  }
  circle.onpointermove = (event) => {
    if (held < 0) { circle.style.cursor = hold(event) < 0 ? "default" : "grab"; return }
    const { x, y } = where(event)
    turn(view, held, Math.atan2(y, x) * 180 / Math.PI)
    measure("sslviz gradient", event)
  }
  circle.onpointerup = circle.onpointercancel = () => { if (held >= 0) view.send(0); held = -1 }
  circle.onkeydown = (event) => {
    const count = view.angles.length, step = event.shiftKey ? FAR : STEP
    const turned = { ArrowLeft: step, ArrowRight: -step }[event.key]
    const next = { ArrowUp: -1, ArrowDown: 1 }[event.key]
    if (turned === undefined && next === undefined) return
    event.preventDefault()
    if (next) view.chosen = (view.chosen + next + count) % count
    if (turned) turn(view, view.chosen, view.angles[view.chosen] + turned)
    paint(view)
    view.send(PATIENCE)
  }
}

function turn(view, which, degrees) {
  view.angles = view.angles.map((angle, i) => (i === which ? (Math.round(degrees) + 720) % 360 : angle))
  paint(view)
}

const unitAt = (degrees) => [Math.cos(degrees * Math.PI / 180), Math.sin(degrees * Math.PI / 180)]

// drawing -------------------------------------------------------------------------------------------------------------

function paint(view) {
  const anchor = unitAt(ANCHOR), others = view.angles.map(unitAt), values = cosines(anchor, others)
  const shares = view.data.temperatures.map((temperature, i) => {
    const split = forces(anchor, others, temperature), p = probabilities(values, temperature)
    const place = view.panels[i]
    place.querySelector(".title").textContent = `Temperature ${temperature}`
    const loss = place.querySelector(".loss"), value = rowLoss(values, temperature)
    loss.textContent = `loss ${value.toFixed(value < 0.1 ? 4 : 2)} nats, pull 1 − p = ${percent(1 - p[0])}`
    loss.dataset.loss = value
    // along the tangent, to the left of the anchor positive; without the factor 1 / temperature that all have
    const pushes = split.map((force) => temperature * (force[1] * anchor[0] - force[0] * anchor[1]))
    paintCircle(view, place.querySelector(".circle"), pushes, temperature)
    paintWeights(view, place.querySelector(".weights"), p)
    return gradientShares(values, temperature)
  })
  say(view, shares)
}

function paintCircle(view, canvas, pushes, temperature) {
  const ratio = window.devicePixelRatio || 1, side = Math.max(1, Math.round(canvas.clientWidth * ratio))
  if (canvas.width !== side) canvas.width = canvas.height = side
  const pen = canvas.getContext("2d"), ink = getComputedStyle(canvas).color, r = side / 2 - EDGE * ratio
  const middle = [side / 2, side / 2 + LOWER * ratio]
  const at = (degrees, reach) => unitAt(degrees).map((v, axis) => middle[axis] + (axis ? -1 : 1) * v * reach)
  pen.clearRect(0, 0, side, side)
  pen.strokeStyle = pen.fillStyle = ink
  pen.lineWidth = ratio
  pen.globalAlpha = 0.4
  pen.beginPath()
  pen.arc(...middle, r, 0, 7)
  pen.stroke()
  pen.globalAlpha = 1
  for (const [i, push] of pushes.entries()) {
    arrow(pen, middle, r + (18 + LANE * i) * ratio, push, i ? PUSH : PULL, 3 * ratio)
  }
  arrow(pen, middle, r - 22 * ratio, pushes.reduce((sum, push) => sum + push, 0), ink, 5 * ratio)
  pen.font = `600 ${13 * ratio}px ${getComputedStyle(canvas).fontFamily}`
  pen.textAlign = "center"
  pen.textBaseline = "middle"
  for (const [i, angle] of view.angles.entries()) point(pen, at(angle, r), i, i === view.chosen, ratio, ink)
  pen.fillStyle = ink
  pen.beginPath()
  pen.arc(...at(ANCHOR, r), 8 * ratio, 0, 7)
  pen.fill()
  pen.fillText("anchor", middle[0], middle[1] - r + 44 * ratio)
  canvas.setAttribute("aria-label", `Anchor, positive and ${view.angles.length - 1} negatives on a circle, temperature `
    + `${temperature}; ${nameOf(view.chosen)} at ${apart(view)} degrees from the anchor`)
}

/** An arc from the anchor along the circle, as many radians long as the push, with a head. */
function arrow(pen, middle, reach, push, colour, width) {
  pen.strokeStyle = pen.fillStyle = colour
  pen.lineWidth = width
  const from = -Math.PI / 2, to = from - push, head = Math.min(2.6 * width / reach, Math.abs(push))
  if (Math.abs(push) * reach < width) return
  pen.beginPath()
  pen.arc(...middle, reach, from, to + Math.sign(push) * head, push > 0)
  pen.stroke()
  const tip = (angle, away) => [middle[0] + away * Math.cos(angle), middle[1] + away * Math.sin(angle)]
  pen.beginPath()
  pen.moveTo(...tip(to, reach))
  pen.lineTo(...tip(to + Math.sign(push) * head, reach + 1.5 * width))
  pen.lineTo(...tip(to + Math.sign(push) * head, reach - 1.5 * width))
  pen.fill()
}

function point(pen, [x, y], i, chosen, ratio, ink) {
  const size = 11 * ratio
  pen.fillStyle = i ? PUSH : PULL
  pen.strokeStyle = ink
  pen.lineWidth = (chosen ? 3 : 1) * ratio
  pen.beginPath()
  if (i) pen.rect(x - size, y - size, 2 * size, 2 * size)
  else pen.arc(x, y, size * 1.1, 0, 7)
  pen.fill()
  pen.stroke()
  pen.fillStyle = "#000000"
  pen.fillText(i ? String(i) : "+", x, y + ratio)
}

function paintWeights(view, place, p) {
  place.replaceChildren(...Array.from(p).flatMap((share, i) => {
    const label = document.createElement("b"), track = document.createElement("div")
    const bar = document.createElement("i"), number = document.createElement("span"), value = i ? share : 1 - share
    label.textContent = i ? `${i} pushes` : "+ pulls"
    label.className = i === view.chosen ? "chosen" : ""
    track.className = "track"
    bar.className = i ? "push" : "pull"
    bar.style.width = 100 * value + "%"
    number.className = "number"
    number.textContent = percent(value)
    track.append(bar)
    return [label, track, number]
  }))
}

const nameOf = (i) => (i ? `negative ${i}` : "the positive")
const apart = (view) => Math.abs((view.angles[view.chosen] - ANCHOR + 540) % 360 - 180)

/** What to see, from the numbers on show. */
function say(view, shares) {
  const { chosen, find, data } = view
  const each = (value) => data.temperatures.map((temperature, i) => `${value(i)} at ${temperature}`).join(", ")
    .replace(/, ([^,]*)$/, " and $1")
  let text = `${nameOf(chosen)} stands ${apart(view)}° from the anchor. `.replace(/^./, (c) => c.toUpperCase())
  if (chosen) text += `Of the push of all negatives it has ${each((i) => percent(shares[i][chosen - 1]))}. `
  else text += `The nearest negative has ${each((i) => percent(Math.max(...shares[i])))} of the push of all negatives. `
  find("said").textContent = text + "Outer arrows, in the order of the bars: what each candidate does to the anchor "
    + "along the circle; the inner one is their sum. All are without the factor 1 / temperature, which only scales the step."
}
