// One player per idea. Without this script the page still shows the pictures and the browser's own audio controls.
"use strict";

const players = [...document.querySelectorAll("article")].map((article) => {
  const audio = article.querySelector("audio");
  const play = article.querySelector(".play");
  const slider = article.querySelector("input");
  const clock = article.querySelector("output");
  const roll = article.querySelector(".roll");
  const head = article.querySelector(".head");
  const path = JSON.parse(article.dataset.path); // [[seconds, share of the picture's width], ...], ascending
  const ideaStart = Number(article.dataset.idea);
  const length = Number(article.dataset.seconds);

  const between = (value, from, to) => {
    let i = 1;
    while (i < path.length - 1 && path[i][from] < value) i += 1;
    const [a, b] = [path[i - 1], path[i]];
    const share = Math.min(Math.max((value - a[from]) / (b[from] - a[from] || 1), 0), 1);
    return a[to] + share * (b[to] - a[to]);
  };
  const spell = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  const draw = () => {
    const now = audio.currentTime;
    const isTouched = now > 0 || !audio.paused;
    head.hidden = !isTouched;
    head.style.left = `${100 * between(now, 0, 1)}%`;
    slider.value = String(now);
    slider.setAttribute("aria-valuetext", `${spell(now)} of ${spell(length)}`);
    clock.textContent = `${spell(now)} / ${spell(length)}`;
    play.textContent = audio.paused ? "▶ Play" : "❚❚ Pause";
    if (!audio.paused) requestAnimationFrame(draw);
  };
  const player = {
    audio,
    start(seconds) {
      players.filter((other) => other !== player).forEach((other) => other.audio.pause());
      if (seconds !== undefined) audio.currentTime = seconds;
      audio.play().then(draw, draw);
    },
    toggle() {
      if (audio.paused) player.start();
      else audio.pause();
    },
    stop() {
      audio.pause();
      audio.currentTime = 0;
      draw();
    },
  };

  play.addEventListener("click", player.toggle);
  article.querySelector(".stop").addEventListener("click", player.stop);
  article.querySelector(".join").addEventListener("click", () => player.start(ideaStart));
  slider.addEventListener("input", () => {
    audio.currentTime = Number(slider.value);
    draw();
  });
  roll.addEventListener("click", (event) => {
    const box = roll.getBoundingClientRect();
    player.start(between((event.clientX - box.left) / box.width, 1, 0));
  });
  audio.addEventListener("ended", player.stop);
  ["play", "pause", "seeked"].forEach((name) => audio.addEventListener(name, draw));
  return player;
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isOnControl = event.target.closest("button, input, a");
  const wanted = players[Number(event.key) - 1];
  if (event.key === "Escape") players.forEach((player) => player.stop());
  else if (wanted) wanted.start(0);
  else if (event.key === " " && !isOnControl) {
    event.preventDefault();
    (players.find((player) => player.audio.currentTime > 0) ?? players[0]).toggle();
  }
});

document.body.classList.add("scripted");
