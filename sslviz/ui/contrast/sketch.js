// A sheet of few grey levels to draw on, by pointer or by keys. It tells what is drawn when a stroke ends.
const papers = new WeakMap()
const LEVELS = 15 // four bits a pixel
const unpack = (text, count) => {
  const bytes = atob(text.replace(/-/g, "+").replace(/_/g, "/")), levels = new Uint8Array(count)
  for (let i = 0; i < count && i >> 1 < bytes.length; i++) levels[i] = (bytes.charCodeAt(i >> 1) >> (i % 2 ? 0 : 4)) & 15
  return levels
}
const pack = (levels) => {
  let bytes = ""
  for (let i = 0; i < levels.length; i += 2) bytes += String.fromCharCode((levels[i] << 4) | (levels[i + 1] || 0))
  return levels.some(Boolean) ? btoa(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") : ""
}
export default function ({ data, parentElement, setTriggerValue }) {
  const paper = parentElement.querySelector(".paper"), words = parentElement.querySelector(".words")
  const { side, scale } = data, pen = paper.getContext("2d")
  paper.setAttribute("aria-label", data.label)
  const before = papers.get(parentElement)
  const kept = before?.side === side ? before : { side, told: [], at: [side / 2, side / 2], down: false }
  papers.set(parentElement, kept)
  if (!kept.told.includes(data.ink)) { // else an answer to one of the last strokes, and more may have been drawn since
    kept.levels = unpack(data.ink, side * side)
    kept.told = [data.ink]
  }
  paper.width = paper.height = side
  paper.style.width = paper.style.height = side * scale + "px"
  function paint() {
    const image = pen.createImageData(side, side)
    for (let i = 0; i < side * side; i++) {
      image.data.fill(kept.levels[i] * 17, 4 * i, 4 * i + 3)
      image.data[4 * i + 3] = 255
    }
    pen.putImageData(image, 0, 0)
    if (kept.keys) {
      pen.fillStyle = kept.down ? "#ffa90e" : "#3f90da"
      pen.fillRect(Math.floor(kept.at[0]), Math.floor(kept.at[1]), 1, 1)
    }
  }
  function dot([x, y]) {
    for (let row = Math.max(0, Math.floor(y - 3)); row < Math.min(side, y + 3); row++) {
      for (let column = Math.max(0, Math.floor(x - 3)); column < Math.min(side, x + 3); column++) {
        const far = Math.hypot(column + 0.5 - x, row + 0.5 - y)
        const level = Math.round(LEVELS * Math.min(1, Math.max(0, (data.radius + 0.5 - far))))
        kept.levels[row * side + column] = Math.max(kept.levels[row * side + column], level)
      }
    }
  }
  function stroke(to) {
    const [x, y] = kept.at, steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - x, to[1] - y)))
    for (let i = 1; i <= steps; i++) dot([x + (to[0] - x) * i / steps, y + (to[1] - y) * i / steps])
    kept.at = to
    paint()
  }
  function tell() {
    const ink = pack(kept.levels)
    if (ink === kept.told.at(-1)) return
    kept.told = [...kept.told.slice(-20), ink]
    setTriggerValue("drawn", ink)
  }
  const place = (event) => {
    const box = paper.getBoundingClientRect()
    return [(event.clientX - box.left) / box.width * side, (event.clientY - box.top) / box.height * side]
  }
  paper.onpointerdown = (event) => {
    paper.setPointerCapture(event.pointerId)
    kept.keys = false
    kept.at = place(event)
    stroke(kept.at)
  }
  paper.onpointermove = (event) => { if (paper.hasPointerCapture(event.pointerId)) stroke(place(event)) }
  paper.onpointerup = paper.onpointercancel = tell
  paper.onkeydown = (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    if (!move && event.key !== " " && event.key !== "Delete" && event.key !== "Backspace") return
    event.preventDefault()
    kept.keys = true
    if (move) {
      const to = kept.at.map((v, i) => Math.min(side - 0.5, Math.max(0.5, Math.floor(v) + 0.5 + move[i])))
      if (kept.down) stroke(to)
      else kept.at = to
    } else if (event.key === " ") {
      kept.down = !kept.down
      if (kept.down) stroke(kept.at.map((v) => Math.floor(v) + 0.5))
      else tell()
    } else clear()
    words.textContent = kept.down ? "pen down" : "pen up"
    paint()
  }
  paper.onblur = () => { kept.down = kept.keys = false; words.textContent = ""; paint(); tell() }
  function clear() {
    kept.levels = new Uint8Array(side * side)
    paint()
    tell()
  }
  parentElement.querySelector(".clear").onclick = clear
  paint()
}
