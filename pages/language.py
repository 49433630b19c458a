"""Language: a masked language model fills the gaps of a sentence, and shows how it comes to its answer."""

import streamlit as st

from sslviz import ui
from sslviz.ui.language import (
    answer,
    attention,
    compare,
    followed,
    following,
    loss,
    model_picker,
    questions,
    sentence_input,
    vectors,
)

VIEWS = {
    "Answer": answer.answer,
    "Layers": answer.layers,
    "Attention": attention.attention,
    "One token": followed.one_token,
    "Loss": loss.loss,
    "Compare": compare.compare,
    "Next": following.following,
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
    latex=r"\begin{gathered} "
    r"p(w \mid x_{\setminus m}) = \operatorname{softmax}\!\Big(\frac{E\,g(h_m) + b}{T}\Big)_w, \qquad "
    r"\mathcal{L} = -\frac{1}{|M|} \sum_{m \in M} \log p(x_m \mid x_{\setminus M}), \\ "
    r"\mathrm{PLL}(x) = \sum_{t} \log p(x_t \mid x_{\setminus t}), \qquad "
    r"\operatorname{head}(Q, K, V) = \operatorname{softmax}\!\Big(\frac{Q K^\top}{\sqrt d}\Big) V \end{gathered}",
    symbols={
        r"x_{\setminus m}": ("the tokens with a mask at place m", "sentence.mask_text(model, text, words)"),
        "h_m": ("hidden state at the mask, last layer", "model.model.base_model(...).last_hidden_state"),
        "E, b, g": ("word embeddings, bias and transform: the head", "model.head_of(model)"),
        "T": ("temperature", "predict.fill(..., temperature=1.0)"),
        r"\mathcal{L}": ("loss of the pretraining task, nats per masked token", "losses.masked_cross_entropy"),
        "Q, K, V": ("queries, keys and values of one head, d numbers a token", "explain.attention_head(model, text)"),
        r"\bar h": ("vector of a sentence: mean of its tokens' states", "explain.sentence_vectors(model, texts)"),
        r"\mathrm{PLL}": ("pseudo-log-likelihood, nats", "predict.pseudo_log_likelihood(model, text)"),
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
