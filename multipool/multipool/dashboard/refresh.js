// Brings the page up to date every two seconds. All else works without.
"use strict";
(() => {
  const EVERY = 2000, SLOWEST = 30000;
  const pause = document.getElementById("pause");
  const trouble = document.getElementById("trouble");
  let paused = false, failures = 0, timer = 0;

  const plan = () => {
    clearTimeout(timer);
    const wait = Math.min(EVERY * 2 ** failures, SLOWEST);
    if (!paused && !document.hidden) timer = setTimeout(refresh, wait);
  };

  // Somebody who copies a stack or walks through a table must not lose their place.
  const busy = () => String(getSelection()) !== "";

  const parts = (page) => [...page.querySelectorAll("main [data-part]")].map((part) => part.id).join();

  const replace = (fresh) => {
    document.title = fresh.title;
    const focused = document.activeElement && document.activeElement.id;
    for (const details of document.querySelectorAll("details[id]")) {
      const same = fresh.getElementById(details.id);
      if (same) same.open = details.open;
    }
    // Other parts than before, since the first process has reported, or the last is gone.
    if (parts(fresh) !== parts(document)) {
      document.querySelector("main").replaceChildren(...fresh.querySelector("main").childNodes);
    }
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const old = document.getElementById(part.id);
      if (old.innerHTML === part.innerHTML && old.className === part.className) continue;
      const scrolled = [...old.querySelectorAll(".scroll[id]")].map((box) => [box.id, box.scrollLeft]);
      old.className = part.className;
      old.replaceChildren(...part.childNodes);
      for (const [id, left] of scrolled) {
        const box = document.getElementById(id);
        if (box) box.scrollLeft = left;
      }
    }
    const again = focused && document.getElementById(focused);
    if (again && again !== document.activeElement) again.focus({ preventScroll: true });
  };

  const refresh = async () => {
    if (busy()) return plan();
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (answer.status === 401 || answer.status === 403) return location.reload();
      if (!answer.ok) throw new Error(`the dashboard answered ${answer.status}`);
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      failures = 0;
      trouble.textContent = "";
    } catch (error) {
      failures += 1;
      trouble.textContent = `Not brought up to date since then: ${error.message}. Trying again.`;
    }
    plan();
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume" : "Pause";
    plan();
  });
  document.addEventListener("visibilitychange", plan);
  plan();
})();
