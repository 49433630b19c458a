// One history entry for each visit of a page: what changes in the address of one page replaces that page's entry.
// Streamlit pushes an entry for every change that its server makes, and Back then walks through settings.
export default function ({ data, setStateValue }) {
  const here = window.history
  if (!here.oneEntryAPage) {
    const push = here.pushState.bind(here)
    here.pushState = (state, unused, url) => {
      const target = new URL(url ?? "", window.location.href)
      const samePage = target.origin === window.location.origin && target.pathname === window.location.pathname
      if (samePage) here.replaceState(state, unused, url)
      else push(state, unused, url)
    }
    here.oneEntryAPage = true
  }
  if (!data.ready) setStateValue("ready", true)
}
