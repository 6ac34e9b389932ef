"use strict";

// Asks for categories once the seller pauses; an answer to an older title is dropped.
const PAUSE = 200;
const title = document.getElementById("title");
const list = document.getElementById("candidates");
const hint = document.getElementById("hint");
let timer;
let asked = 0;

title.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE);
});

async function ask() {
  const mine = ++asked;
  const query = new URLSearchParams({ title: title.value });
  let answer;
  try {
    answer = await (await fetch(`${title.dataset.answer}?${query}`)).json();
  } catch {
    answer = { error: "No suggestions at the moment: pick a category yourself." };
  }
  if (mine !== asked) return;
  const candidates = answer.candidates ?? [];
  const silence = title.value.trim() ? "Nothing to go by yet." : "Categories are suggested as you type.";
  hint.textContent = answer.error ?? (candidates.length ? "" : silence);
  list.replaceChildren(...candidates.map(row));
}

function row(candidate) {
  const item = document.createElement("li");
  const share = document.createElement("meter");
  share.value = candidate.confidence;
  const text = ` ${candidate.category_path} (${Math.floor(candidate.confidence * 100)}%)`;
  item.append(share, text);
  return item;
}
