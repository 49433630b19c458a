// What several components draw with: cosines as coloured cells, pictures cut from a sheet, numbers in words.

const BLUE_TO_RED = ["053061", "2166ac", "4393c3", "92c5de", "d1e5f0", "f7f7f7", "fddbc7", "f4a582", "d6604d", "b2182b",
  "67001f"].map((code) => [0, 2, 4].map((at) => Number.parseInt(code.slice(at, at + 2), 16))) // ColorBrewer's RdBu
const SELF = [138, 145, 156] // a view with itself, which is no candidate

/** Red, green and blue of a cosine. */
export function cosineColour(value) {
  const place = Math.min(1, Math.max(0, (value + 1) / 2)) * (BLUE_TO_RED.length - 1)
  const low = Math.min(BLUE_TO_RED.length - 2, Math.floor(place)), part = place - low
  return BLUE_TO_RED[low].map((start, c) => Math.round(start + part * (BLUE_TO_RED[low + 1][c] - start)))
}

/** A canvas of one pixel a cell: values (rows x columns), the diagonal of a square one grey where `self` says so. */
export function cells(values, rows, columns, self = false) {
  const canvas = document.createElement("canvas")
  canvas.width = columns
  canvas.height = rows
  const pen = canvas.getContext("2d"), image = pen.createImageData(columns, rows)
  for (let i = 0; i < rows * columns; i++) {
    const onDiagonal = self && Math.floor(i / columns) === i % columns
    image.data.set([...(onDiagonal ? SELF : cosineColour(values[i])), 255], 4 * i)
  }
  pen.putImageData(image, 0, 0)
  return canvas
}

/** Numbers that came as base64 of little-endian float32. */
export function floats(text) {
  return new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer)
}

/** Show one picture of a sheet in an element, `side` CSS pixels wide. */
export function cut(place, sheet, index, side) {
  const scale = side / sheet.width, style = place.style
  style.width = side + "px"
  style.height = sheet.height * scale + "px"
  style.imageRendering = "pixelated"
  style.backgroundImage = `url(${sheet.source})`
  style.backgroundSize = `${sheet.columns * side}px auto`
  style.backgroundPosition =
    `-${(index % sheet.columns) * side}px -${Math.floor(index / sheet.columns) * sheet.height * scale}px`
}

/** A share as people read it: "43 %", "4.3 %", "0.12 %". */
export function percent(share) {
  const value = 100 * share
  if (value < 0.01) return "< 0.01 %"
  return value.toFixed(value >= 9.95 ? 0 : value >= 0.995 ? 1 : 2) + " %"
}

/** A number with a minus sign of the right length. */
export function signed(value, digits) {
  return (value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(digits)
}

/** Measure from an event to the end of the frame that shows what came of it, as the entry `name` of the page. */
export function measure(name, event) {
  const start = event.timeStamp
  requestAnimationFrame(() => setTimeout(() => performance.measure(name, { start, end: performance.now() })))
}

/** A part made of elements, each [tag, class name]; the one named `focus` is walked by the keyboard. */
export function panel(name, parts, focus) {
  const place = document.createElement("div")
  place.className = name
  for (const [tag, part] of parts) {
    const element = document.createElement(tag)
    element.className = part
    place.append(element)
  }
  const walked = place.querySelector("." + focus)
  walked.tabIndex = 0
  walked.setAttribute("role", "application")
  return place
}
