const STEPS = ["query", "key", "score", "softmax", "value"]

// A row of numbers as cells: orange above zero, blue below, stronger for larger ones.
function strip(numbers, most, label) {
  const canvas = document.createElement("canvas")
  canvas.width = numbers.length
  canvas.height = 1
  canvas.setAttribute("role", "img")
  canvas.setAttribute("aria-label", label)
  const pen = canvas.getContext("2d")
  numbers.forEach((x, i) => {
    pen.fillStyle = `rgba(${x > 0 ? "231, 99, 0" : "63, 144, 218"}, ${Math.min(1, Math.abs(x) / most)})`
    pen.fillRect(i, 0, 1, 1)
  })
  return canvas
}

function element(tag, name, text = "") {
  const node = document.createElement(tag)
  node.className = name
  node.textContent = text
  return node
}

function arcs(svg, data, rows) {
  const width = svg.clientWidth, middle = (row) => row.offsetTop + row.offsetHeight / 2
  svg.style.height = `${rows.offsetHeight}px`
  const own = middle(rows.querySelector(`[data-row="${data.followed}"]`))
  svg.replaceChildren(...data.rows.map((row, i) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path")
    const to = middle(rows.querySelector(`[data-row="${i}"]`)), reach = Math.min(width - 8, 12 + Math.abs(to - own) * 0.35)
    path.setAttribute("d", i === data.followed
      ? `M ${width - 4} ${own - 5} c -18 -8, -18 18, 0 10`
      : `M ${width - 4} ${own} C ${width - reach * 1.3} ${own}, ${width - reach * 1.3} ${to}, ${width - 4} ${to}`)
    path.setAttribute("stroke-width", 0.5 + 9 * row.weight)
    path.setAttribute("opacity", row.weight < data.least ? 0 : 0.35 + 0.65 * row.weight)
    return path
  }))
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".followed"), rows = root.querySelector(".rows")
  root.style.setProperty("--colour", data.colour)
  if (root.dataset.step === undefined) root.dataset.step = STEPS.length - 1
  let chosen = data.rows.reduce((best, row, i) => row.weight > data.rows[best].weight ? i : best, 0)

  const header = element("div", "row top")
  header.append(element("span", "number", "token"), element("span", "at-1", "key k"), element("span", "number at-2", "q·k / √d"),
    element("span", "number power at-3", "e to it"), element("span", "at-3", "weight"), element("span", "at-4", "value v"))
  const query = element("div", "row query"), whole = element("span", "wide")
  whole.append(strip(data.query, data.most.query, `query, ${data.d} numbers`))
  query.append(element("span", "name", "query q"), whole)
  const lines = data.rows.map((row, i) => {
    const line = element("div", "row"), token = element("button", "token", row.token), cell = element("span", "weight at-3")
    line.dataset.row = i
    token.type = "button"
    token.title = i === data.followed ? "this token is followed" : "follow this token"
    token.setAttribute("aria-label", `follow ${row.token}`)
    token.setAttribute("aria-pressed", i === data.followed)
    token.onclick = () => setTriggerValue("clicked", i)
    const score = element("button", "score at-2", row.score)
    score.type = "button"
    score.setAttribute("aria-label", `${row.token}: score ${row.score}, weight ${row.share}; show its arithmetic`)
    score.onclick = () => { chosen = i; show() }
    score.onfocus = score.onclick
    const bar = element("span", "bar")
    bar.style.width = `calc((100% - 3.6em) * ${row.weight / data.most.weight})`
    cell.append(bar, element("span", "", row.share))
    line.append(token, strip(row.key, data.most.key, `key of ${row.token}`), score, element("span", "number power at-3", row.power),
      cell, strip(row.value, data.most.value, `value of ${row.token}`))
    line.children[1].classList.add("at-1")
    line.children[5].classList.add("at-4")
    line.onpointerenter = () => { chosen = i; show() }
    return line
  })
  const output = element("div", "row output"), mixed = element("span", "wide at-4")
  mixed.append(strip(data.output, data.most.output, `output, ${data.d} numbers`))
  output.append(element("span", "name at-4", "output"), mixed)
  rows.replaceChildren(header, query, ...lines, output)

  const steps = STEPS.map((name, i) => {
    const button = element("button", "", `${i + 1} ${name}`)
    button.type = "button"
    button.setAttribute("role", "radio")
    button.onclick = () => { root.dataset.step = i; show() }
    return button
  })
  root.querySelector(".steps").replaceChildren(...steps)
  root.querySelector(".steps").setAttribute("aria-label", "How far the head has come")

  function show() {
    const step = Number(root.dataset.step)
    steps.forEach((button, i) => {
      button.setAttribute("aria-checked", i === step)
      button.tabIndex = i === step ? 0 : -1
    })
    root.querySelector(".said").textContent = data.said[step]
    for (let i = 1; i < STEPS.length; i++)
      for (const node of root.querySelectorAll(`.at-${i}`)) node.classList.toggle("folded", i > step)
    root.querySelector(".arcs").classList.toggle("folded", step < 3)
    for (const [i, line] of lines.entries()) line.classList.toggle("chosen", i === chosen)
    root.querySelector(".sum").replaceChildren(...data.rows[chosen].arithmetic.map(([name, text, at]) => {
      const line = element("p", at > step ? "folded" : "")
      line.append(element("b", "", name), ` ${text}`)
      return line
    }))
  }

  root.onkeydown = (event) => {
    const at = root.getRootNode().activeElement
    const along = { ArrowRight: 1, ArrowLeft: -1 }[event.key], down = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (along && steps.includes(at)) {
      root.dataset.step = Math.min(STEPS.length - 1, Math.max(0, Number(root.dataset.step) + along))
      show()
      steps[Number(root.dataset.step)].focus()
    } else if (down && at?.closest(".row")) {
      const next = lines[lines.indexOf(at.closest(".row")) + down]
      next?.querySelector(at.classList.contains("score") ? ".score" : ".token").focus()
    } else return
    event.preventDefault()
  }
  show()
  const svg = root.querySelector(".arcs")
  if (root.watcher) root.watcher.disconnect()
  root.watcher = new ResizeObserver(() => arcs(svg, data, rows))
  root.watcher.observe(rows)
}
