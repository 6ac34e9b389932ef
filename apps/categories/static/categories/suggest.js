"use strict";

// The example: categories for a title, once the seller pauses.
const title = document.getElementById("title");
const list = document.getElementById("candidates");
const hint = document.getElementById("hint");

async function ask(signal) {
  const query = new URLSearchParams({ title: title.value });
  return (await fetch(`${title.dataset.answer}?${query}`, { signal })).json();
}

function show(answer, error) {
  const told = error ? { error: "No suggestions at the moment: pick a category yourself." } : answer;
  const candidates = told.candidates ?? [];
  const silence = title.value.trim() ? "Nothing to go by yet." : "Categories are suggested as you type.";
  hint.textContent = told.error ?? (candidates.length ? "" : silence);
  list.replaceChildren(...candidates.map(row));
}

function row(candidate) {
  const item = document.createElement("li");
  const share = document.createElement("meter");
  share.value = candidate.confidence;
  const percent = candidate.confidence < 0.01 ? "<1" : Math.floor(candidate.confidence * 100);
  const text = ` ${candidate.category_path} (${percent}%)`;
  item.append(share, text);
  return item;
}

title.addEventListener("input", window.categoriesAsking(200, ask, show));
