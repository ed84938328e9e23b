// Runs before the first paint: shows what needs scripts, and keeps the theme from flashing.
"use strict";
document.documentElement.classList.add("scripted");
try {
  const theme = localStorage.getItem("kpolicy-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is closed to this page (a sandboxed frame); the system's theme holds.
}
