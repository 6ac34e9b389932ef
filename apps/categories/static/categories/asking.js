// Shared by the pages that ask while somebody types.
"use strict";

// A function to call at every change: asks once there was no further change for `pause` milliseconds. An older
// question is aborted, and its answer never shown. `ask(signal)` gives a promise, `show(answer, error)` tells.
window.categoriesAsking = (pause, ask, show) => {
  let timer;
  let running;

  async function now() {
    const mine = (running = new AbortController());
    let answer, error;
    try {
      answer = await ask(mine.signal);
    } catch (problem) {
      error = problem;
    }
    if (!mine.signal.aborted) show(answer, error);
  }

  return () => {
    clearTimeout(timer);
    running?.abort();
    timer = setTimeout(now, pause);
  };
};
