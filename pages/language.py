"""Language: a masked language model fills the gaps of a sentence, and shows how it comes to its answer."""

import streamlit as st

from sslviz import ui
from sslviz.ui.language import answer, attention, compare, loss, model_picker, questions, sentence_input, vectors

VIEWS = {
    "Answer": answer.answer,
    "Layers": answer.layers,
    "Attention": attention.attention,
    "Loss": loss.loss,
    "Compare": compare.compare,
    "Next": compare.following,
    "Sentences": vectors.sentences,
}

ui.begin_page("language")
base = model_picker.choose_model()
asked = sentence_input.sentence(base)
if asked is not None:
    ui.bound("language_view", "Answer", among=VIEWS)
    view = st.segmented_control(
        "View", list(VIEWS), key="language_view", required=True, label_visibility="collapsed"
    )  # fmt: skip
    try:
        VIEWS[view](asked)
    except questions.Working as working:
        working.show()
    except ui.UserError as error:
        st.info(ui.escape(str(error)), icon=":material/edit:")

ui.foldouts(
    latex=r"p(w \mid x_{\setminus m}) = \operatorname{softmax}\!\Big(\frac{E\,g(h_m) + b}{T}\Big)_w, \qquad "
    r"\mathcal{L} = -\frac{1}{|M|} \sum_{m \in M} \log p(x_m \mid x_{\setminus M}), \qquad "
    r"\mathrm{PLL}(x) = \sum_{t} \log p(x_t \mid x_{\setminus t})",
    symbols={
        r"x_{\setminus m}": ("the tokens with a mask at place m", "sentence.mask_text(model, text, words)"),
        "h_m": ("hidden state at the mask, last layer", "model.model.base_model(...).last_hidden_state"),
        "E, b, g": ("word embeddings, bias and transform: the head", "language.head_of(model)"),
        "T": ("temperature", "fill.fill(..., temperature=1.0)"),
        r"\mathcal{L}": ("loss of the pretraining task, nats per masked token", "losses.masked_cross_entropy"),
        r"\bar h": ("vector of a sentence: mean of its tokens' states", "fill.sentence_vectors(model, texts)"),
        r"\mathrm{PLL}": ("pseudo-log-likelihood, nats", "fill.pseudo_log_likelihood(model, text)"),
    },
    source="sslviz.language.predict:fill",
    command=sentence_input.command(base, asked),
    script=sentence_input.script(base, asked),
    way=(
        "A sentence as tokens, some of them hidden behind a mask.",
        "Every token looks at every other, layer by layer; at the mask, the head compares the state with all words.",
        "A probability for each word of the vocabulary; the loss is what the true word lacks.",
    ),
)
