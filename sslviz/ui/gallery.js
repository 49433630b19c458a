export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery")
  root.setAttribute("aria-label", data.label)
  root.style.minHeight = data.room + "px"
  root.replaceChildren(...data.items.map((item, i) => {
    const button = document.createElement("button")
    button.type = "button"
    button.title = item.hint
    button.setAttribute("aria-label", item.hint)
    button.setAttribute("aria-pressed", String(item.id === data.chosen))
    button.style.borderColor = item.colour || "transparent"
    button.disabled = !data.clickable
    button.style.cursor = data.clickable ? "pointer" : "default"
    const picture = document.createElement("span")
    picture.className = "picture"
    const w = data.width * data.scale, h = data.height * data.scale
    picture.style.width = w + "px"
    picture.style.height = h + "px"
    picture.style.backgroundImage = `url(${data.sprite})`
    picture.style.backgroundSize = `${w * data.columns}px auto`
    picture.style.backgroundPosition = `-${(i % data.columns) * w}px -${Math.floor(i / data.columns) * h}px`
    button.append(picture)
    if (item.words) {
      const words = document.createElement("span")
      words.className = "words"
      words.textContent = item.words
      button.append(words)
    }
    button.onclick = () => setTriggerValue("clicked", item.id)
    return button
  }))
}
