// Entry point of page.js in a static deployment: this browser computes.
import { find } from "./elements.ts";
import { keepForOffline } from "./offline.ts";
import { startPage, tellProblem } from "./page.ts";
import { workerComputer } from "./worker_computer.ts";

const say = (words: string): void => {
  find("footer", HTMLParagraphElement).textContent = words;
};

if (isSecureContext) {
  // First, so that what the page then loads passes through the service worker and is kept.
  const kept = await keepForOffline(() => say("A newer version is ready: load the page again."));
  say(
    kept
      ? "Nothing you type leaves this machine; the page also works offline."
      : "Nothing you type leaves this machine.",
  );
  startPage(workerComputer(document.baseURI));
} else {
  tellProblem("This page computes in your browser, which allows that only over https.");
}
