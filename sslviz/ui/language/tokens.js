export default function ({ data, parentElement }) {
  parentElement.querySelector(".tokens").replaceChildren(...data.tokens.map((token) => {
    const box = document.createElement("span"), id = document.createElement("small")
    box.className = "token " + token.kind
    box.setAttribute("role", "listitem")
    box.textContent = token.token
    id.textContent = token.id
    box.append(id)
    return box
  }))
}
