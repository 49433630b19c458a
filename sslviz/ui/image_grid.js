// A labelled grid of images that takes the width that there is, up to its own; labels stay beside their rows and columns.
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".image-grid")
  const find = (name) => root.querySelector("." + name)
  root.style.setProperty("--grid-width", data.width + "px")
  const sheet = find("sheet")
  sheet.alt = data.alt
  sheet.style.aspectRatio = `${data.sheetWidth} / ${data.sheetHeight}` // keeps the place before it is decoded
  sheet.src = data.source
  for (const side of ["rows", "columns"]) find(side).replaceChildren(...data[side].map(label))
  find("title").textContent = data.title
}

/** A label whose <sub> is set lower; nothing else in it is markup. */
function label(text) {
  const cell = document.createElement("span")
  text.split(/<sub>(.*?)<\/sub>/).forEach((part, i) => {
    const piece = i % 2 ? document.createElement("sub") : document.createElement("span")
    piece.textContent = part
    cell.append(piece)
  })
  return cell
}
