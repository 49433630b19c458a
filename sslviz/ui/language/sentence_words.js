export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".chips")
  root.setAttribute("aria-label", data.label)
  root.replaceChildren(...data.parts.map((part) => {
    if (part.number === null) {
      const between = document.createElement("span")
      between.className = "between"
      between.textContent = part.text
      return between
    }
    const button = document.createElement("button")
    button.type = "button"
    button.title = part.typed ? "typed as a mask" : part.masked ? "show it to the model again" : "mask it"
    button.setAttribute("aria-pressed", String(part.masked))
    button.setAttribute("aria-label", part.masked && !part.typed ? `${part.text}, masked` : part.text)
    button.disabled = part.typed
    const tag = document.createElement("span"), word = document.createElement("span")
    tag.className = "tag"
    tag.textContent = part.masked && !part.typed ? data.mask : ""
    word.className = "word"
    word.textContent = part.text
    button.append(tag, word)
    button.onclick = () => setTriggerValue("clicked", part.number)
    return button
  }))
}
