// Entry point of page.js in a static deployment: this browser computes.
import { find } from "./elements.ts";
import { loadingBar } from "./loading_bar.ts";
import { keepForOffline } from "./offline.ts";
import { startPage, tellProblem } from "./page.ts";
import { workerComputer } from "./worker_computer.ts";

const say = (words: string): void => find("footer", HTMLParagraphElement).append(`${words} `);

if (isSecureContext) {
  loadingBar().begin("the page");
  // First, so that what the page then loads passes through the service worker and is kept.
  const isKept = await keepForOffline(() => say("A newer version is ready: load the page again."));
  say("Nothing you type leaves this machine.");
  if (isKept) say("The page also works offline.");
  startPage(workerComputer(document.baseURI));
} else {
  tellProblem("This page computes in your browser, which allows that only over https.");
}
