"use strict";
(() => {
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const days = json("days");
  const darkOf = json("dark");
  const plots = [...document.querySelectorAll(".plot")].map((place) => {
    const text = place.querySelector("script").textContent;
    place.replaceChildren();
    return { place, text };
  });
  const isDark = matchMedia("(prefers-color-scheme: dark)");
  const paperWidth = parseInt(getComputedStyle(document.documentElement).getPropertyValue("--paper-width"), 10);
  const settings = { displayModeBar: false, responsive: false, displaylogo: false, showLink: false, scrollZoom: false, doubleClick: false };

  const figureOf = (text, dark) => {
    const coloured = dark ? text.replace(/#[0-9a-f]{6}/g, (colour) => darkOf[colour] || colour) : text;
    const figure = JSON.parse(coloured);
    for (const trace of figure.data) {
      if (typeof trace.x === "string") trace.x = days[Number(trace.x.slice(5))];
    }
    return figure;
  };
  const draw = (dark, width) => {
    for (const { place, text } of plots) {
      const figure = figureOf(text, dark);
      figure.layout.width = width || place.clientWidth;
      Plotly.react(place, figure.data, figure.layout, settings);
    }
  };
  const onScreen = () => draw(isDark.matches, 0);

  let waiting = 0;
  let seenWidth = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === seenWidth) return;
    seenWidth = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(onScreen, 150);
  });
  isDark.addEventListener("change", onScreen);
  addEventListener("beforeprint", () => draw(false, paperWidth));
  addEventListener("afterprint", onScreen);
  onScreen();
})();
