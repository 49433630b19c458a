const places = new WeakMap(), watchers = new WeakMap()
export default function ({ data, parentElement }) {
  const find = (name) => parentElement.querySelector("." + name)
  const map = find("map"), tile = find("tile"), words = find("words"), grid = find("grid"), dots = find("dots")
  const ratio = window.devicePixelRatio || 1, { reach, count, width, height, scale } = data
  const ink = getComputedStyle(map).color
  let side = 0
  map.setAttribute("aria-label", data.label)
  tile.width = width * scale
  tile.height = height * scale
  const toPixel = (v) => (v / reach / 2 + 0.5) * side
  const behind = document.createElement("canvas")
  const sprite = new Image()
  let at = places.get(parentElement) || data.start

  function paintBehind() {
    const pen = behind.getContext("2d")
    pen.clearRect(0, 0, side, side)
    if (grid.checked) {
      pen.globalAlpha = 1
      pen.fillStyle = "#000"
      pen.fillRect(0, 0, side, side)
      pen.globalAlpha = dots.checked ? 0.5 : 1
      pen.drawImage(sprite, 0, 0, side, side)
    }
    pen.globalAlpha = 0.85
    if (dots.checked) {
      data.xs.forEach((x, i) => {
        pen.fillStyle = data.palette[data.ys[i] % data.palette.length]
        pen.beginPath()
        pen.arc(toPixel(x), side - toPixel(data.zs[i]), 2.2 * ratio, 0, 7)
        pen.fill()
      })
      pen.globalAlpha = 1
      pen.font = `bold ${15 * ratio}px ${getComputedStyle(map).fontFamily}`
      pen.textAlign = "center"
      pen.textBaseline = "middle"
      for (const { x, y, name, colour } of data.names) {
        const w = pen.measureText(name).width + 10 * ratio, h = 22 * ratio
        pen.fillStyle = "rgba(255, 255, 255, 0.92)"
        pen.strokeStyle = colour
        pen.lineWidth = 2 * ratio
        pen.beginPath()
        pen.rect(toPixel(x) - w / 2, side - toPixel(y) - h / 2, w, h)
        pen.fill()
        pen.stroke()
        pen.fillStyle = "#111"
        pen.fillText(name, toPixel(x), side - toPixel(y) + ratio)
      }
    }
  }
  const lines = () => (grid.checked ? "#fff" : ink)
  function paintPrior(pen) {
    pen.strokeStyle = pen.fillStyle = lines()
    pen.lineWidth = 1.5 * ratio
    pen.setLineDash([6 * ratio, 5 * ratio])
    pen.beginPath()
    pen.arc(side / 2, side / 2, data.prior / reach / 2 * side, 0, 7)
    pen.stroke()
    pen.setLineDash([])
    pen.font = `${14 * ratio}px ${getComputedStyle(map).fontFamily}`
    pen.textAlign = "right"
    pen.textBaseline = "bottom"
    pen.fillText("z\u2080 \u2192", side - 8 * ratio, side - 6 * ratio)
    pen.textAlign = "left"
    pen.textBaseline = "top"
    pen.fillText("\u2191 z\u2081", 8 * ratio, 8 * ratio)
  }
  function paint() {
    places.set(parentElement, at)
    const pen = map.getContext("2d"), [x, y] = at
    pen.clearRect(0, 0, side, side)
    pen.drawImage(behind, 0, 0)
    paintPrior(pen)
    pen.globalAlpha = 0.8
    pen.beginPath()
    pen.moveTo(toPixel(x), 0); pen.lineTo(toPixel(x), side)
    pen.moveTo(0, side - toPixel(y)); pen.lineTo(side, side - toPixel(y))
    pen.stroke()
    pen.globalAlpha = 1
    const cell = (v) => Math.min(count - 1, Math.max(0, Math.floor((v / reach / 2 + 0.5) * count)))
    const show = tile.getContext("2d")
    show.imageSmoothingEnabled = false
    const left = cell(x) * width, top = (count - 1 - cell(y)) * height
    show.drawImage(sprite, left, top, width, height, 0, 0, tile.width, tile.height)
    const sign = (v) => (v < 0 ? "\u2212" : "\u2007") + Math.abs(v).toFixed(2)
    words.textContent = `z = (${sign(x)}, ${sign(y)})`
    tile.setAttribute("aria-label", `Decoded image at ${words.textContent}`)
  }
  const go = (x, y) => { at = [x, y].map((v) => Math.min(reach, Math.max(-reach, v))); paint() }
  map.onpointermove = map.onpointerdown = (event) => {
    const box = map.getBoundingClientRect()
    const across = (event.clientX - box.left) / box.width, down = (event.clientY - box.top) / box.height
    go((across * 2 - 1) * reach, (1 - down * 2) * reach)
  }
  map.onkeydown = (event) => {
    const step = 2 * reach / count
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key]
    if (move) { event.preventDefault(); go(at[0] + move[0], at[1] + move[1]) }
  }
  grid.onchange = dots.onchange = () => { paintBehind(); paint() }
  function fit() {
    side = Math.max(1, map.clientWidth) * ratio
    map.width = map.height = behind.width = behind.height = side
    paintBehind()
    paint()
  }
  watchers.get(parentElement)?.disconnect()
  const watcher = new ResizeObserver(fit)
  watchers.set(parentElement, watcher)
  sprite.onload = () => watcher.observe(map)
  sprite.src = data.sprite
  return () => watcher.disconnect()
}
