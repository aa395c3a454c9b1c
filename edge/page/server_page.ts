// Entry point of page.html, which a server hands out at /: that server computes.
import { find, make } from "./elements.ts";
import { startPage } from "./page.ts";
import { serverComputer } from "./server_computer.ts";

const docs = make("a", { href: "docs" }, "how programs ask");
find("footer", HTMLParagraphElement).append("The server translates; see ", docs, ".");
startPage(serverComputer(document.baseURI));
